import { describe, expect, test } from "bun:test"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { namedTests, page, ROOT } from "./markdown.ts"

const { text } = page("docs/GUARANTEES.md")
const STATUS = /^\*\*(in place|partly|later)\*\*/m

/** One section a guarantee: `## G1 …` up to the next heading. */
const sections = text
  .split(/^## /m)
  .slice(1)
  .filter((section) => /^G\d+ /.test(section))
  .map((section) => ({ id: section.slice(0, section.indexOf(" ")), section }))

test("G1 to G17 stand there, each once, in order", () => {
  expect(sections.map(({ id }) => id)).toEqual(Array.from({ length: 17 }, (_, index) => `G${index + 1}`))
})

describe("each says how far it is, and what is in place names its proof", () => {
  for (const { id, section } of sections)
    test(id, () => {
      const status = STATUS.exec(section)?.[1] ?? "none"
      expect(["in place", "partly", "later"]).toContain(status)
      if (status !== "later") expect(namedTests(section).length).toBeGreaterThan(0)
      // What is not whole says what is missing.
      if (status !== "in place") expect(section).toContain("Not yet:")
    })
})

const exists = (file: string, name: string): boolean => {
  const path = join(ROOT, file)
  if (!existsSync(path)) return false
  const source = readFileSync(path, "utf8")
  return ['"', "`", "'"].some((quote) => source.includes(`${quote}${name}${quote}`))
}

for (const path of ["docs/GUARANTEES.md", "docs/HARDENING.md"])
  test(`every test that ${path} names is there`, () => {
    const named = namedTests(page(path).text)
    expect(named.length).toBeGreaterThan(10)
    expect(named.filter(({ file, name }) => !exists(file, name))).toEqual([])
  })

test("a test that is not there is found", () => {
  expect(exists("test/docs/guarantees.test.ts", "a test that is not there is found")).toBe(true)
  expect(exists("test/docs/guarantees.test.ts", ["no", "such", "test"].join(" "))).toBe(false)
  expect(exists("test/docs/none.test.ts", "a")).toBe(false)
})

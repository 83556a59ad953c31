import { expect, test } from "bun:test"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { blocks, page, ROOT } from "./markdown.ts"

const { text } = page("docs/architecture.md")
const [tree] = blocks(text)

test("the tree shows every folder of src, and no other", () => {
  const shown = [...tree!.text.matchAll(/^([a-z]+)\/ /gm)].map(([, folder]) => folder!)
  const real = new Set(
    [...new Bun.Glob("src/*/**/*.ts").scanSync({ cwd: ROOT })].map((path) => path.split("/")[1]!),
  )
  expect(shown.toSorted()).toEqual([...real].toSorted())
})

test("every step of the data's path names code that is there", () => {
  const named = [...text.matchAll(/`(src\/[\w/-]+\.ts)` `(\w+)`/g)].map(([, file, name]) => ({
    file: file!,
    name: name!,
  }))
  expect(named.length).toBeGreaterThan(10)
  const missing = named.filter(
    ({ file, name }) =>
      !existsSync(join(ROOT, file)) ||
      !new RegExp(`\\b${name}\\b`).test(readFileSync(join(ROOT, file), "utf8")),
  )
  expect(missing).toEqual([])
})

test("every decision has its five lines", () => {
  const decisions = text
    .slice(text.indexOf("\n## Decisions\n"))
    .split("\n### ")
    .slice(1)
    .map((one) => one.trim().split("\n"))
  expect(decisions.length).toBeGreaterThan(10)
  for (const [title, ...lines] of decisions) {
    expect([title, lines.length]).toEqual([title, 5])
    expect([title, lines.some((line) => line.startsWith("Cost: "))]).toEqual([title, true])
  }
})

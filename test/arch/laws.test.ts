import { describe, expect, test } from "bun:test"
import { LAWS } from "./laws.ts"
import { codeOf, importsOf, readSources } from "./source.ts"

// The laws' own fixtures break the laws on purpose.
const sources = readSources("src/**/*.{ts,sql}", "test/**/*.ts", "docs/ROADMAP.md").filter(
  ({ path }) => !path.startsWith("test/arch/"),
)

test("the sources are there to be judged", () => {
  expect(sources.length).toBeGreaterThan(50)
  expect(sources.map(({ path }) => path)).toContain("src/main.ts")
})

describe("laws of the house", () => {
  for (const law of LAWS) {
    test(law.name, () => {
      expect(law.breaches(sources)).toEqual([])
    })
    test(`it can fail: ${law.name}`, () => {
      expect(law.breaches([law.broken])).not.toEqual([])
      expect(law.breaches([law.kept])).toEqual([])
    })
  }
})

describe("layers", () => {
  const [layers] = LAWS
  const breach = (path: string, to: string) =>
    layers!.breaches([{ path, text: `import { x } from "${to}"\n` }]).length > 0
  test("downwards only", () => {
    expect(breach("src/domain/a.ts", "../platform/b.ts")).toBe(true)
    expect(breach("src/platform/git/a.ts", "../../queue/b.ts")).toBe(true)
    expect(breach("src/apply/a.ts", "../operations/b.ts")).toBe(true)
    expect(breach("src/worker/a.ts", "../cli/b.ts")).toBe(true)
    expect(breach("src/app.ts", "./tui/b.ts")).toBe(true)
    expect(breach("src/tui/a.ts", "../cli/b.ts")).toBe(true)
    expect(breach("src/misc/a.ts", "../domain/b.ts")).toBe(true)
    expect(breach("src/cli/a.ts", "../tui/b.ts")).toBe(false)
    expect(breach("src/platform/git/a.ts", "../../domain/b.ts")).toBe(false)
    expect(breach("src/queue/a.ts", "../platform/b.ts")).toBe(false)
    expect(breach("src/worker/a.ts", "../app.ts")).toBe(false)
  })
})

test("a tagged open end is fine once the roadmap names it", () => {
  const law = LAWS.find(({ name }) => name.startsWith("an open end"))!
  const code = { path: "src/queue/x.ts", text: "// TODO(batch-lease) fuse\n" }
  expect(law.breaches([code])).toHaveLength(1)
  expect(law.breaches([code, { path: "docs/ROADMAP.md", text: "- batch-lease: fuse\n" }])).toEqual([])
})

describe("reading sources", () => {
  test("imports of every form are seen", () => {
    const text = [
      'import "./side.ts"',
      'import a from "a"',
      "import {",
      "  type B,",
      "  c,",
      '} from "b"',
      'import type { D } from "d"',
      'import { type E } from "e"',
      'export { f } from "f"',
      'export * from "g"',
      'const h = () => import("h")',
      '// import i from "i"',
      '/** import j from "j" */',
      'const k = "import l"',
    ].join("\n")
    expect(
      importsOf(text).map(({ specifier, typeOnly }) => `${specifier}${typeOnly ? " type" : ""}`),
    ).toEqual(["./side.ts", "a", "b", "d type", "e type", "f", "g", "h"])
  })

  test("comments are not code, addresses in strings are", () => {
    expect(codeOf("a // b\n/* c\n d */\ne")).toBe("a \n\n\ne")
    expect(codeOf('const u = "https://x"')).toBe('const u = "https://x"')
  })
})

test("generated documents are current", () => {
  const check = Bun.spawnSync([process.execPath, "scripts/schemas.ts", "--check"], {
    cwd: `${import.meta.dir}/../..`,
  })
  expect([check.exitCode, check.stderr.toString()]).toEqual([0, ""])
})

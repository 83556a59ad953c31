import { describe, expect, test } from "bun:test"
import { unreadFlags } from "./flags.ts"
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

describe("flags that are read", () => {
  const command = {
    path: "src/cli/commands/x.ts",
    text: 'export default defineCommand({\n  args: {\n    agent: { type: "string" },\n    limit: { type: "integer" },\n  },\n  run: (context) => import("../actions/x.ts").then((m) => m.listX(context)),\n})\n',
  }
  const unread = (action: string, operation = "") =>
    unreadFlags(
      [
        { path: "src/cli/actions/x.ts", text: `import { find } from "../../operations/x.ts"\n${action}\n` },
        { path: "src/operations/x.ts", text: `${operation}\n` },
      ],
      command,
    )
  const both: readonly string[] = []
  const agent = ["declares agent, which its action never reads"]

  test("where they stand, by name or taken out", () => {
    expect(unread("export const listX = (context) => list(context.args.agent, context.args.limit)")).toEqual(
      both,
    )
    expect(unread("export const listX = ({ args: { agent, limit } }) => list(agent, limit)")).toEqual(both)
    expect(
      unread(
        "export const listX = (context) => {\n  const { args } = context\n  const { agent, limit } = args\n}",
      ),
    ).toEqual(both)
    expect(unread("export const listX = ({ args }) => list(args.limit)")).toEqual(agent)
    // Its type names it, and nobody reads it: what list-dead-letters once did.
    expect(
      unread(
        "export const listX = (context: CommandContext<{ readonly agent: string }>) => list(context.args.limit)",
      ),
    ).toEqual(agent)
    expect(unread("// args.agent\nexport const listX = ({ args }) => list(args.limit)")).toEqual(agent)
  })

  test("in what they are handed to, here or in an operation", () => {
    const hands = "export const listX = ({ args }) => find(1, args)"
    expect(unread(`const find = (n, { agent, limit }: Args) => agent + limit\n${hands}`)).toEqual(both)
    expect(
      unread(
        hands,
        'export const find = Effect.fn("find")(function* (n: number, options: Options) {\n  return options.agent + options.limit\n})',
      ),
    ).toEqual(both)
    expect(unread(hands, "export const find = (n, options) => options.limit")).toEqual(agent)
    expect(
      unread(
        "export const listX = (context) => more(context)\nconst more = ({ args }) => args.agent + args.limit",
      ),
    ).toEqual(both)
    expect(
      unread(
        "export const listX = ({ args }) => find({ ...args, n: 1 })",
        "export const find = (o) => o.agent ?? o.limit",
      ),
    ).toEqual(both)
  })

  test("an action that is not there is a breach as well", () => {
    expect(unread("export const other = 1")).toEqual(["its action listX is not found"])
  })
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

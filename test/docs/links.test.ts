import { describe, expect, test } from "bun:test"
import { existsSync } from "node:fs"
import { join } from "node:path"
import manifest from "../../package.json"
import { COMMANDS, type CommandEntry } from "../../src/cli/commands.ts"
import { GLOBAL_FLAGS } from "../../src/cli/globals.ts"
import { anchors, code, links, page, pages, ROOT, targetOf } from "./markdown.ts"

const all = pages()
const PAGES = [
  "AGENTS.md",
  "CHANGELOG.md",
  "README.md",
  "docs/GUARANTEES.md",
  "docs/HARDENING.md",
  "docs/HYPERION.md",
  "docs/ROADMAP.md",
  "docs/architecture.md",
  "docs/glossary.md",
  "docs/governance.md",
  "docs/incident-response.md",
  "execution/README.md",
  "skills/hyperion-ops/SKILL.md",
]

test("the pages are there to be judged", () => {
  expect(all.map(({ path }) => path)).toEqual(expect.arrayContaining(PAGES))
})

const flagOf = (name: string): string => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
const GLOBAL = new Set(Object.keys(GLOBAL_FLAGS).map(flagOf))

/** The uses of the program in one piece of code: the words behind its name, up to what the shell takes. */
const uses = (text: string): readonly (readonly string[])[] =>
  text
    .split(/(?:^|[\s(])(?:dist\/)?hyperion(?=\s|$)/)
    .slice(1)
    .map((rest) => rest.split(/[|<>;&,`)]|\s#/, 1)[0]!.trim())
    .map((rest) => rest.split(/\s+/).filter((word) => word !== ""))
    .filter((words) => words.length > 0)

/** What is wrong with one use: a command that is not there, or a flag it does not take. */
const faultOf = async (words: readonly string[]): Promise<string | null> => {
  const [name = "", second = ""] = words
  if (/^[A-Z]/.test(name)) return null
  const flags = words.filter((word) => word.startsWith("--")).map((word) => word.replace(/[=.)].*$/, ""))
  let entry: CommandEntry | null = null
  if (!name.startsWith("-")) {
    if (!Object.hasOwn(COMMANDS, name)) return `no command ${name}`
    const node = COMMANDS[name]!
    if ("load" in node) entry = node
    else {
      const chosen = Object.hasOwn(node.subcommands, second) ? second : node.fallback
      if (chosen === undefined) return `no command ${name} ${second}`
      entry = node.subcommands[chosen]!
    }
  }
  const own = entry === null ? [] : Object.keys((await entry.load()).default.args).map(flagOf)
  const unknown = flags.find((flag) => !GLOBAL.has(flag) && !own.includes(flag))
  return unknown === undefined ? null : `no flag ${unknown} of ${name}`
}

describe("links lead somewhere", () => {
  for (const { path, text } of all)
    test(path, () => {
      const broken = links(text).filter((link) => {
        const target = targetOf(path, link)
        if (!existsSync(join(ROOT, target.path))) return true
        return target.heading !== "" && !anchors(page(target.path).text).has(target.heading)
      })
      expect(broken).toEqual([])
    })
})

describe("commands that are shown exist, and take the flags they are shown with", () => {
  for (const { path, text } of all)
    test(path, async () => {
      const faults: string[] = []
      for (const words of code(text).flatMap(uses)) {
        const fault = await faultOf(words)
        if (fault !== null) faults.push(`hyperion ${words.join(" ")}: ${fault}`)
      }
      expect(faults).toEqual([])
    })
  test("a wrong one is found", async () => {
    const faults = uses("x; hyperion lst || hyperion list --bogus && hyperion config --show-origin")
    expect(await Promise.all(faults.map(faultOf))).toEqual([
      "no command lst",
      "no flag --bogus of list",
      null,
    ])
    expect(await Promise.all(uses("(hyperion audit check), hyperion --version").map(faultOf))).toEqual([
      "no command audit check",
      null,
    ])
  })
})

test("scripts that are shown exist", () => {
  const shown = all.flatMap(({ path, text }) =>
    code(text).flatMap((piece) =>
      [...piece.matchAll(/\bbun(?:@[\d.]+)? run ([a-z]+)/g)].map(([, name]) => `${path}: ${name}`),
    ),
  )
  expect(shown.length).toBeGreaterThan(0)
  expect(shown.filter((one) => !Object.hasOwn(manifest.scripts, one.split(": ")[1]!))).toEqual([])
})

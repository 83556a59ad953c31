import { describe, expect, test } from "bun:test"
import { basename, dirname } from "node:path"
import { YAML } from "bun"
import { page, ROOT } from "./markdown.ts"

const KEYS = new Set(["name", "description", "license", "compatibility", "metadata", "allowed-tools"])

const isText = (value: unknown, max: number): boolean =>
  typeof value === "string" && value.trim() !== "" && value.length <= max

/** What the Agent Skills specification (agentskills.io) says against a SKILL.md; empty when nothing. */
const faults = (path: string, text: string): readonly string[] => {
  const match = /^---\n([\s\S]*?)\n---\n([\s\S]*)$/.exec(text)
  if (!match) return ["no frontmatter"]
  const head = YAML.parse(match[1]!) as Record<string, unknown>
  const { name, description, license, compatibility, metadata } = head
  const tools = head["allowed-tools"]
  const found = Object.keys(head)
    .filter((key) => !KEYS.has(key))
    .map((key) => `unexpected field ${key}`)
  if (!isText(name, 64) || !/^[a-z0-9]+(?:-[a-z0-9]+)*$/.test(String(name))) found.push("name")
  if (name !== basename(dirname(path))) found.push("name is not the directory's")
  if (!isText(description, 1024)) found.push("description")
  if (license !== undefined && typeof license !== "string") found.push("license")
  if (compatibility !== undefined && !isText(compatibility, 500)) found.push("compatibility")
  if (metadata !== undefined && Object.values(metadata as object).some((value) => typeof value !== "string"))
    found.push("metadata")
  if (tools !== undefined && typeof tools !== "string") found.push("allowed-tools")
  if (match[2]!.split("\n").length >= 500) found.push("body of 500 lines or more")
  return found
}

const skills = [...new Bun.Glob("skills/*/SKILL.md").scanSync({ cwd: ROOT })].sort()

describe("skills follow the specification", () => {
  test("there is one", () => expect(skills).toContain("skills/hyperion-ops/SKILL.md"))
  for (const path of skills) test(path, () => expect(faults(path, page(path).text)).toEqual([]))

  test("breaches are found", () => {
    const broken = (head: string) => faults("skills/x-y/SKILL.md", `---\n${head}\n---\nbody\n`)
    expect(broken("name: x-y\ndescription: d")).toEqual([])
    expect(broken("name: x--y\ndescription: d")).toEqual(["name", "name is not the directory's"])
    expect(broken("name: x-y\nversion: 1")).toEqual(["unexpected field version", "description"])
    expect(broken("name: x-y\ndescription: d\nmetadata:\n  a: 1\nallowed-tools: [Read]")).toEqual([
      "metadata",
      "allowed-tools",
    ])
    expect(faults("skills/x/SKILL.md", "body")).toEqual(["no frontmatter"])
  })
})

test("the skill forbids an agent what only people do", () => {
  const { text } = page("skills/hyperion-ops/SKILL.md")
  for (const never of ["hyperion approve", "hyperion.json"]) expect(text).toContain(never)
})

import { expect, test } from "bun:test"
import { DEFAULT_POLICY } from "../../src/domain/policy.ts"
import { sensitivePaths, sensitivePatterns } from "../../src/domain/sensitive.ts"

const found = (paths: readonly string[], add: string[] = [], remove: string[] = []) =>
  sensitivePaths(paths, { sensitive_paths: { add, remove } }).map(({ path }) => path)

test("every file that persists or steers is named", () => {
  const names = [
    "hyperion.json",
    "WORKPLAN.md",
    "plans/phase_plan.json",
    "skills/cast-builder/SKILL.md",
    ".github/workflows/x.yml",
    ".gitattributes",
    "sub/.gitattributes",
    ".gitmodules",
    ".husky/pre-commit",
    ".vscode/settings.json",
    "packages/a/.vscode/tasks.json",
    ".idea/workspace.xml",
    ".claude/settings.json",
    ".codex/config.toml",
    ".cursor/mcp.json",
    ".cursorrules",
    ".cursorignore",
    ".agents/skills/x",
    "AGENTS.md",
    "packages/a/AGENTS.md",
    "CLAUDE.md",
    "GEMINI.md",
    ".mcp.json",
    "bunfig.toml",
    ".npmrc",
    ".env",
    ".env.local",
    "package.json",
    "a/package.json",
    "bun.lock",
    "package-lock.json",
    "Cargo.lock",
    "Makefile",
    "scripts/build.ts",
    "vitest.config.ts",
    "pytest.ini",
  ]
  expect(names.filter((name) => found([name]).length === 0)).toEqual([])
})

test("case does not hide a file, and the folder's own name counts", () => {
  for (const path of [".GitHub/workflows/x.yml", "agents.MD", ".VSCODE/a", ".github", ".claude", "a/.cursor"])
    expect(found([path])).toEqual([path])
})

test("ordinary files are not named", () => {
  expect(found(["src/main.ts", "docs/agents.html", "environment.ts", "src/scripts.ts", "README.md"])).toEqual(
    [],
  )
})

test("a policy may add, take default ones out, and only as a whole the core", () => {
  expect(found(["Src/Secret.ts"], ["src/secret.*"])).toEqual(["Src/Secret.ts"])
  expect(found(["package.json", "AGENTS.md"], [], ["**/package.json", "**/AGENTS.md"])).toEqual(["AGENTS.md"])
  expect(found(["package.json", "AGENTS.md", "x"], ["x"], ["*"])).toEqual(["x"])
  expect(
    sensitivePatterns({ add: ["hyperion.json"], remove: [] }).filter((p) => p === "hyperion.json"),
  ).toEqual(["hyperion.json"])
})

test("the answer is sorted, each path once, with its pattern", () => {
  expect(sensitivePaths(["b/.env", "AGENTS.md", "b/.env"], DEFAULT_POLICY)).toEqual([
    { path: "AGENTS.md", pattern: "**/AGENTS.md" },
    { path: "b/.env", pattern: "**/.env*" },
  ])
})

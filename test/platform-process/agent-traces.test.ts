import { describe, expect, test } from "bun:test"
import { agentProcess, agentVariable, parseStat } from "../../src/platform/agent-traces.ts"

describe("variables", () => {
  test.each([
    ["CLAUDECODE", "1"],
    ["CODEX_SANDBOX", "seatbelt"],
    ["CODEX_THREAD_ID", "x"],
    ["COPILOT_CLI", "1"],
    ["GEMINI_CLI", "1"],
    ["OPENCODE", "1"],
    ["CURSOR_AGENT", "1"],
    ["GOOSE_TERMINAL", "1"],
    ["AI_AGENT", "something-new"],
    ["AGENT", "amp"],
    ["AGENT", "Goose"],
    ["HYPERION_AGENT_RUN", "login-1"],
  ] as const)("%s=%s betrays an agent", (name, value) => {
    expect(agentVariable({ PATH: "/bin", [name]: value })).toBe(name)
  })

  test.each([
    ["nothing", {}],
    ["an empty one", { CLAUDECODE: "" }],
    [
      "configuration of an agent in a person's shell",
      { AIDER_MODEL: "x", COPILOT_MODEL: "y", OPENAI_API_KEY: "z" },
    ],
    ["an AGENT of another kind", { AGENT: "jenkins-3" }],
    ["an editor's own", { TERM_PROGRAM: "vscode", VSCODE_PID: "1" }],
  ] as const)("%s does not", (_, env) => {
    expect(agentVariable(env)).toBeNull()
  })
})

describe("processes", () => {
  test.each([
    ["claude", ["claude", "--resume"]],
    ["codex", ["/usr/local/bin/codex", "exec", "x"]],
    ["node", ["node", "/usr/lib/node_modules/@anthropic-ai/claude-code/cli.js"]],
    ["MainThread", ["/usr/bin/node", "--no-warnings=DEP0040", "/home/a/.npm/bin/gemini", "-p", "x"]],
    ["node", ["node", "/opt/cursor-agent/versions/2026/index.js", "-p"]],
    ["copilot", ["copilot", "-p"]],
    ["python3.12", ["/usr/bin/python3.12", "/home/a/.local/bin/aider", "--yes"]],
    ["python3", ["python3", "-m", "aider"]],
    ["bun", ["bun", "run", "/x/node_modules/opencode-ai/bin/opencode"]],
    ["2.1.0", ["/home/a/.local/bin/claude"]],
    ["goosed", ["goosed", "agent"]],
  ] as const)("%s %p is one", (name, argv) => {
    expect(agentProcess(name, argv)).not.toBeNull()
  })

  test.each([
    ["bash", ["-bash"]],
    ["vim", ["vim", "claude"]],
    ["less", ["less", "/home/a/codex"]],
    ["git", ["git", "commit", "-m", "copilot"]],
    ["bash", ["bash", "-c", "echo claude"]],
    ["node", ["node", "server.js", "claude"]],
    ["code", ["/usr/share/code/code", "--folder", "/x/@openai/codex/"]],
    ["", []],
  ] as const)("%s %p is none", (name, argv) => {
    expect(agentProcess(name, argv)).toBeNull()
  })
})

describe("/proc/PID/stat", () => {
  test("the name may hold brackets and spaces", () => {
    expect(parseStat("42 (a) b (c) S 7 42 42 0")).toEqual({ name: "a) b (c", parent: 7 })
  })
  test("anything else is not understood", () => {
    for (const text of ["", "42", "42 (x", "42 (x) S", "42 (x) S parent"]) expect(parseStat(text)).toBeNull()
  })
})

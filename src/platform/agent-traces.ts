import type { Environment } from "./Terminal.ts"

/**
 * Variables coding agents set for the commands they run. Not those that configure an agent (`AIDER_MODEL`,
 * `COPILOT_MODEL`): people keep them in their shell.
 */
const VARIABLES: readonly string[] = [
  "CLAUDECODE",
  "CLAUDE_CODE_ENTRYPOINT",
  "CLAUDE_CODE_SESSION_ID",
  "CODEX_SANDBOX",
  "CODEX_SANDBOX_NETWORK_DISABLED",
  "CODEX_THREAD_ID",
  "CODEX_CI",
  "COPILOT_CLI",
  "COPILOT_AGENT",
  "COPILOT_AGENT_JOB_ID",
  "COPILOT_AGENT_SESSION_ID",
  "CURSOR_AGENT",
  "CURSOR_TRACE_ID",
  "GEMINI_CLI",
  "ANTIGRAVITY_AGENT",
  "OPENCODE",
  "OPENCODE_CLIENT",
  "OPENCODE_SESSION_ID",
  "GOOSE_TERMINAL",
  "AMP_CURRENT_THREAD_ID",
  "AUGMENT_AGENT",
  "CLINE_ACTIVE",
  "QWEN_CODE",
  "CRUSH",
  "VSCODE_AGENT",
  "TRAE_AI_SHELL_ID",
  "AI_AGENT",
  "AGENT_SESSION_ID",
  "HYPERION_AGENT_RUN",
]

/** Values of the common `AGENT` variable; other programs (ssh-agent scripts, CI) use the name for their own ends. */
const NAMES =
  /^(?:claude(?:-code)?|codex|copilot|gemini(?:-cli)?|opencode|aider|cursor-agent|goosed?|amp|crush|qwen(?:-code)?|cline|auggie|droid|kilo(?:code)?)$/

/** Where a package manager puts the script of an agent that runs under Node, Bun or Python. */
const PACKAGES =
  /(?:^|\/)(?:@anthropic-ai\/claude-code|@openai\/codex|@github\/copilot|@google\/gemini-cli|opencode-ai|@sourcegraph\/amp|@qwen-code\/qwen-code|@augmentcode\/auggie|cursor-agent|aider-chat|aider)\//

const INTERPRETERS = /^(?:node|nodejs|bun|deno|MainThread|npx|bunx|python[\d.]*|uv|uvx|pipx|sh|bash|dash)$/

/** The first variable that betrays an agent around us; null when there is none. */
export const agentVariable = (env: Environment): string | null => {
  const set = VARIABLES.find((name) => (env[name] ?? "") !== "")
  if (set !== undefined) return set
  return NAMES.test((env["AGENT"] ?? "").toLowerCase()) ? "AGENT" : null
}

const baseName = (path: string): string =>
  path.slice(path.lastIndexOf("/") + 1).replace(/\.(?:js|mjs|cjs|py|exe)$/, "")

/**
 * The agent a process is, by the name the kernel shows and its command line; null when it is none. Only the script of
 * an interpreter is looked at, never other arguments: an editor that has a file called `claude` open is no agent.
 */
export const agentProcess = (name: string, argv: readonly string[]): string | null => {
  const [program = "", ...rest] = argv
  for (const candidate of [name, baseName(program)]) if (NAMES.test(candidate)) return candidate
  if (PACKAGES.test(program)) return baseName(program)
  if (!INTERPRETERS.test(name) && !INTERPRETERS.test(baseName(program))) return null
  const words = rest.slice(0, SCRIPT_WITHIN)
  const module = words[words.indexOf("-m") + 1]
  if (words.includes("-m") && module !== undefined && NAMES.test(module)) return module
  const script = words.find((word) => word !== "run" && !word.startsWith("-"))
  if (script === undefined) return null
  return NAMES.test(baseName(script)) || PACKAGES.test(script) ? script : null
}

/** Words of a command line among which an interpreter's script stands. */
const SCRIPT_WITHIN = 8

/** `pid (name) S parent …`, where the name may hold anything, brackets too. */
export const parseStat = (stat: string): { readonly name: string; readonly parent: number } | null => {
  const [open, close] = [stat.indexOf("("), stat.lastIndexOf(")")]
  const parent = Number(stat.slice(close + 2).split(" ")[1])
  return open === -1 || close < open || !Number.isInteger(parent)
    ? null
    : { name: stat.slice(open + 1, close), parent }
}

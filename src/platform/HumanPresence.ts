import { readFileSync, readSync } from "node:fs"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

export interface PresenceReport {
  /** stdin and stderr are an interactive terminal. */
  readonly terminal: boolean
  /** What betrays a coding agent around us; null when nothing does. */
  readonly agent: string | null
}

export interface HumanPresenceShape {
  readonly look: () => Effect.Effect<PresenceReport>
  /** Asks one question on the terminal and reads one line. Only when `look().terminal`. */
  readonly ask: (question: string) => Effect.Effect<string>
}

/** Variables coding agents set for the commands they run. */
const AGENT_VARIABLES = [
  "CLAUDECODE",
  "CLAUDE_CODE_ENTRYPOINT",
  "CODEX_SANDBOX",
  "CODEX_SANDBOX_NETWORK_DISABLED",
  "COPILOT_AGENT_SESSION_ID",
  "COPILOT_CLI",
  "CURSOR_AGENT",
  "CURSOR_TRACE_ID",
  "GEMINI_CLI",
  "OPENCODE",
  "AIDER_MODEL",
  "AI_AGENT",
  "HYPERION_AGENT_RUN",
] as const

/** Process names of coding agents, as the kernel shows them. */
const AGENT_PROCESS = /^(claude|codex|copilot|gemini|opencode|aider|cursor-agent|goose|amp)$/

/** The agent among our ancestors, read from /proc; null where there is none or /proc is not there. */
const agentAncestor = (): string | null => {
  let pid = process.ppid
  for (let depth = 0; depth < 64 && pid > 1; depth++) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
      const close = stat.lastIndexOf(")")
      const name = stat.slice(stat.indexOf("(") + 1, close)
      if (AGENT_PROCESS.test(name)) return name
      // A node launcher shows as "node" (or "MainThread"): its script tells.
      const argv = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0")
      const script = argv.slice(0, 2).map((word) => word.slice(word.lastIndexOf("/") + 1))
      const agent = script.find((word) => AGENT_PROCESS.test(word.replace(/\.(js|mjs|cjs|exe)$/, "")))
      if (agent !== undefined) return agent
      pid = Number(stat.slice(close + 2).split(" ")[1])
    } catch {
      return null
    }
  }
  return null
}

const readLine = (): string => {
  const chunk = Buffer.alloc(1)
  const bytes: number[] = []
  while (bytes.length < 4096) {
    if (readSync(0, chunk, 0, 1, null) === 0) break
    if (chunk[0] === 0x0a) break
    bytes.push(chunk[0]!)
  }
  return Buffer.from(bytes).toString("utf8").trim()
}

/** Whether a human sits here. The limit is stated in docs: a program running as the same user can pretend. */
export class HumanPresence extends Context.Tag("hyperion/platform/HumanPresence")<
  HumanPresence,
  HumanPresenceShape
>() {
  static readonly layer = Layer.succeed(HumanPresence, {
    look: () =>
      Effect.sync(() => {
        const variable = AGENT_VARIABLES.find((name) => (process.env[name] ?? "") !== "")
        return {
          terminal: Boolean(process.stdin.isTTY && process.stderr.isTTY),
          agent: variable ? `the variable ${variable}` : agentAncestor(),
        }
      }),
    ask: (question) =>
      Effect.sync(() => {
        process.stderr.write(question)
        return readLine()
      }),
  })
}

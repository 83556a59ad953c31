import { readFileSync } from "node:fs"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { agentProcess, agentVariable, parseStat } from "./agent-traces.ts"
import { fdSink } from "./fd-sink.ts"
import { visibleLine } from "./sanitize.ts"
import { type Environment, paint, type Terminal, type Text } from "./Terminal.ts"

export interface PresenceReport {
  /** stdin and stderr are an interactive terminal. */
  readonly terminal: boolean
  /** What betrays a coding agent around us; null when nothing does. */
  readonly agent: string | null
}

export interface HumanPresenceShape {
  readonly look: () => Effect.Effect<PresenceReport>
  /**
   * Writes the question to stderr, sanitised, and reads one line (trimmed; empty at the end of input). Only when
   * `look().terminal`. Ctrl-C interrupts it.
   */
  readonly ask: (question: Text, terminal?: Pick<Terminal, "color">) => Effect.Effect<string>
}

/** Generations of processes looked through: far more than any shell nests. */
const GENERATIONS = 64

/**
 * The agent among our ancestors, from /proc. A process that cannot be read ends the search: it belongs to somebody
 * else, or is gone. Null also where there is no /proc.
 */
const agentAncestor = (): string | null => {
  let pid = process.ppid
  for (let generation = 0; generation < GENERATIONS && pid > 1; generation++) {
    try {
      const stat = parseStat(readFileSync(`/proc/${pid}/stat`, "utf8"))
      if (stat === null) return null
      const agent = agentProcess(stat.name, readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0"))
      if (agent !== null) return agent
      pid = stat.parent
    } catch {
      return null
    }
  }
  return null
}

/** No line a person types is longer: what comes beyond is not a person. */
const LONGEST_LINE = 4096

/** One line of stdin. Asynchronous, so that a signal still gets through while we wait. */
const readLine: Effect.Effect<string> = Effect.async((resume) => {
  const { stdin } = process
  let text = ""
  const done = () => {
    stop()
    resume(Effect.succeed(text.split("\n", 1)[0]!.trim()))
  }
  const onData = (chunk: Buffer | string) => {
    text += chunk.toString()
    if (text.includes("\n") || text.length > LONGEST_LINE) done()
  }
  const stop = () => {
    stdin.off("data", onData)
    stdin.off("end", done)
    stdin.off("error", done)
    stdin.pause()
  }
  stdin.on("data", onData)
  stdin.on("end", done)
  stdin.on("error", done)
  stdin.resume()
  return Effect.sync(stop)
})

const live = (env: Environment): HumanPresenceShape => ({
  look: () =>
    Effect.sync(() => {
      // Asked for when it is needed: loading it takes as long as a bare program to run.
      const { isatty } = process.getBuiltinModule("node:tty")
      const variable = agentVariable(env)
      const ancestor = variable === null ? agentAncestor() : null
      return {
        terminal: isatty(0) && isatty(2),
        agent:
          variable !== null
            ? `the variable ${variable}`
            : ancestor !== null
              ? `the process ${visibleLine(ancestor)}`
              : null,
      }
    }),
  ask: (question, terminal = { color: false }) =>
    Effect.zipRight(
      Effect.sync(() => fdSink(2, env).write(paint(question, terminal))),
      readLine,
    ),
})

/** Whether a human sits here. The limit is stated in docs: a program running as the same user can pretend. */
export class HumanPresence extends Context.Tag("hyperion/platform/HumanPresence")<
  HumanPresence,
  HumanPresenceShape
>() {
  /** `env`: the operator's own environment, as everything of this process reads it. */
  static readonly layer = (env: Environment) => Layer.sync(HumanPresence, () => live(env))

  /** A given surrounding, and what the person answers to each question: for tests, wherever they run. */
  static readonly layerOf = (
    report: PresenceReport,
    answer: (question: string) => string = () => "",
  ): Layer.Layer<HumanPresence> =>
    Layer.succeed(HumanPresence, {
      look: () => Effect.succeed(report),
      ask: (question, terminal = { color: false }) => Effect.sync(() => answer(paint(question, terminal))),
    })
}

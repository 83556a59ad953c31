import { appendFileSync } from "node:fs"
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"

export interface FailpointsShape {
  /** A step that changes something durable comes next. */
  readonly pass: (name: string) => void
}

const INERT: FailpointsShape = { pass: () => {} }

const armed = (setting: string, log: string | undefined, die: () => void): FailpointsShape => {
  const colon = setting.lastIndexOf(":")
  const name = colon < 0 ? setting : setting.slice(0, colon)
  let left = colon < 0 ? 1 : Number(setting.slice(colon + 1))
  return {
    pass: (passed) => {
      if (log !== undefined) appendFileSync(log, `${passed}\n`)
      if (name !== "*" && name !== passed) return
      if (--left === 0) die()
    },
  }
}

/**
 * Named places in every write path where a test kills the process. Inert unless `HYPERION_TESTING` is `1` and
 * `HYPERION_FAILPOINT` is `name[:n]` (the n-th pass of that name; `*` is any name). `HYPERION_FAILPOINT_LOG` names a
 * file that gets a line per pass.
 */
export class Failpoints extends Context.Reference<Failpoints>()("hyperion/platform/Failpoints", {
  defaultValue: (): FailpointsShape => INERT,
}) {
  static readonly layer = (env: Readonly<Record<string, string | undefined>>) => {
    const setting = env["HYPERION_TESTING"] === "1" ? env["HYPERION_FAILPOINT"] : undefined
    if (setting === undefined) return Layer.succeed(Failpoints, INERT)
    const die = () => void process.kill(process.pid, "SIGKILL")
    return Layer.succeed(Failpoints, armed(setting, env["HYPERION_FAILPOINT_LOG"] || undefined, die))
  }
}

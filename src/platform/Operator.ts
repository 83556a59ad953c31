import * as Context from "effect/Context"
import * as Layer from "effect/Layer"

export interface OperatorShape {
  /** How the log names the person at this terminal. */
  readonly name: string
  /** Of this process: tells two workers of one operator apart. */
  readonly processId: number
  /** The operator's environment, read once. */
  readonly env: Readonly<Record<string, string | undefined>>
}

/** Who runs this process, and with which environment. */
export class Operator extends Context.Tag("hyperion/platform/Operator")<Operator, OperatorShape>() {
  static readonly from = (env: OperatorShape["env"]): OperatorShape => ({
    name: env["HYPERION_USER"] || env["USER"] || env["LOGNAME"] || "operator",
    processId: process.pid,
    env,
  })
  static readonly layer = (env: OperatorShape["env"]) => Layer.succeed(Operator, Operator.from(env))
}

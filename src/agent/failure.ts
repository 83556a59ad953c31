import * as Data from "effect/Data"

export type AgentErrorReason =
  | "unavailable"
  | "auth"
  | "rate_limit"
  | "timeout"
  | "reply_invalid"
  | "escaped"
  | "budget"
  | "needs_model"

/**
 * No usable answer. `transient`: the same question may be answered later. `excerpt`: what the agent said, cut short and
 * not sanitised.
 */
export class AgentError extends Data.TaggedError("AgentError")<{
  readonly reason: AgentErrorReason
  readonly harness: string
  readonly taskId: string
  readonly detail: string
  readonly transient: boolean
  readonly excerpt?: string
}> {
  override get message(): string {
    return `${this.taskId}: agent ${this.harness}: ${this.detail}`
  }
}

const MAX_EXCERPT = 2_000

/** The last part of an output, without half characters. */
export const tailOf = (bytes: Uint8Array): string =>
  Buffer.from(bytes.subarray(-MAX_EXCERPT))
    .toString("utf8")
    .replace(/^\ufffd+/, "")
    .trim()

/** What programs that talk to a model write when they give up, most specific first. */
const SIGNS: readonly (readonly [AgentErrorReason, boolean, RegExp])[] = [
  ["rate_limit", true, /\b429\b|rate.?limit|too many requests|quota exceeded|overloaded/i],
  ["auth", false, /\b40[13]\b|unauthori[sz]ed|not logged in|authentication|(?:invalid|no|missing) api.?key/i],
  [
    "unavailable",
    true,
    /ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|ENOTFOUND|could not connect|connection refused|\b50[0234]\b|service unavailable/i,
  ],
]

/** Why a program that ended badly did so, by what it wrote; a reason it does not give is an invalid reply. */
export const classifyExit = (
  written: string,
): { readonly reason: AgentErrorReason; readonly transient: boolean } => {
  const sign = SIGNS.find(([, , pattern]) => pattern.test(written))
  return sign ? { reason: sign[0], transient: sign[1] } : { reason: "reply_invalid", transient: false }
}

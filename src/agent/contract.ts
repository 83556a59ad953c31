import type { Policy } from "../domain/policy.ts"
import type { RequestedChange } from "../domain/request.ts"
import type { AgentError } from "./failure.ts"

export interface AgentContext {
  /** `agent` of the policy that judges the work. */
  readonly policy: Policy["agent"]
  /** The requested changes behind the assignment. */
  readonly changes?: readonly RequestedChange[]
  /** Paths of the assignment that the base has. */
  readonly existing?: ReadonlySet<string>
  /** Where the agent reads. Nothing keeps it from writing there yet. */
  readonly root: string
  /** Harness named on the command line. */
  readonly harness?: string
  /** Model named on the command line. */
  readonly model?: string
  /** Names of variables the program may see besides the fixed ones. */
  readonly env?: readonly string[]
  readonly session?: string
}

export interface TranscriptPart {
  readonly role: "prompt" | "reply"
  readonly text: string
}

/** One successful exchange with an agent. */
export interface AgentReply {
  readonly change_request: unknown
  readonly transcript: readonly TranscriptPart[]
  readonly durationMs: number
}

export interface AgentAnswer {
  /** A JSON value that no rule has seen yet. */
  readonly change_request: unknown
  readonly transcript: readonly TranscriptPart[]
  readonly usage: {
    /** How often the agent was asked; 0 when none was. */
    readonly attempts: number
    /** Milliseconds of the answer that counted. */
    readonly duration_ms: number
    readonly input_tokens: number | null
    readonly output_tokens: number | null
  }
  /** `null` when no model was asked. */
  readonly model: string | null
  /** Which harness the answer is from. */
  readonly harness: "stub" | "command"
  /** Why the stub answered instead of the harness that was asked. */
  readonly fallback: AgentError | null
}

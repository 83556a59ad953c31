import * as Effect from "effect/Effect"
import { ApprovalRefused } from "../approval/errors.ts"
import type { PresenceReport } from "../platform/HumanPresence.ts"

/** Nobody decides from within an agent, whatever the policy says. */
export const refuseAgent = ({ agent }: PresenceReport): Effect.Effect<void, ApprovalRefused> =>
  agent === null
    ? Effect.void
    : new ApprovalRefused({
        reason: "agent_environment",
        detail: `only people decide, and this runs inside a coding agent: ${agent} says so`,
        hint: "run the same command in a terminal of your own",
      })

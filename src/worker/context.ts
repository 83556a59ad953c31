import type * as Effect from "effect/Effect"
import type { Base } from "./base.ts"
import type { Sizing } from "./group.ts"
import type { HeldLeases } from "./held-leases.ts"
import type { TurnOptions } from "./options.ts"
import type { Candidacy } from "./plan.ts"
import { guardsFor } from "./prove.ts"
import type { Happening } from "./report.ts"

/** What a worker keeps from turn to turn. */
export interface WorkerContext {
  readonly options: TurnOptions
  readonly held: HeldLeases
  /** How many entries the next run of the guards proves together. */
  sizing: Sizing
  /** Tells what became of entries; one that is blocked is left out of the next turns for a while. */
  readonly take: (happenings: readonly Happening[]) => Effect.Effect<void>
}

/** What the guards of these entries are chosen by. */
export const provenBy = (entries: readonly Candidacy[], { policy }: Base, { runChecks }: TurnOptions) => {
  const changing = entries.filter((entry) => !entry.noop)
  return {
    policy: policy.policy,
    changedPaths: changing.flatMap((entry) => entry.change.effects.map(({ path }) => path)),
    checks: runChecks ? changing.flatMap((entry) => entry.lease.cast.change_request.checks) : [],
  }
}

/** Whether any guard has something to say about these entries. */
export const isGuarded = (entries: readonly Candidacy[], base: Base, options: TurnOptions): boolean =>
  entries.some((entry) => !entry.noop) && guardsFor(provenBy(entries, base, options)).length > 0

import type * as Effect from "effect/Effect"
import type { ApplyPlan } from "../apply/plan.ts"
import type { Base } from "./base.ts"
import type { Sizing } from "./group.ts"
import type { HeldLeases } from "./held-leases.ts"
import type { TurnOptions } from "./options.ts"
import type { Candidacy } from "./plan.ts"
import { type Green, guardsFor } from "./prove.ts"
import type { Happening } from "./report.ts"

/** What a worker keeps from turn to turn. */
export interface WorkerContext {
  readonly options: TurnOptions
  readonly held: HeldLeases
  /** How many entries the next run of the guards proves together. */
  sizing: Sizing
  /** By `treeKey`, what was green and could not land: looked at again, it is not proven again. */
  readonly greens: Map<string, Green>
  /** Tells what became of entries; one that is blocked is left out of the next turns for a while. */
  readonly take: (happenings: readonly Happening[]) => Effect.Effect<void>
}

/** Entries to be proven as one tree and landed with one move of the branch. */
export interface LineWork {
  readonly base: Base
  readonly entries: readonly Candidacy[]
  /** Their commits; null when they change nothing. */
  readonly plan: ApplyPlan | null
  readonly from: "leased" | "proven"
  /** What the guards said of this very tree before. */
  readonly known: Green | null
}

/** Green trees that are kept in mind. */
const GREENS = 16

/** What a proof is about: the tree, the base it was built on, and the policy that asked. */
export const treeKey = (base: Base, plan: ApplyPlan | null): string =>
  `${plan?.tipTree ?? base.tree} ${base.commit} ${base.tree} ${base.policy.digest}`

export const rememberGreen = ({ greens }: WorkerContext, key: string, green: Green): void => {
  greens.delete(key)
  greens.set(key, green)
  if (greens.size > GREENS) greens.delete(greens.keys().next().value!)
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

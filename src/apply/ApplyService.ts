import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { ReadError, StoreFailed } from "../platform/git/errors.ts"
import { GitRepository } from "../platform/git/GitRepository.ts"
import { EMPTY_TREE, type Oid } from "../platform/git/objects.ts"
import { branchRef } from "../platform/git/refs.ts"
import { makeCollect } from "./collect.ts"
import { type BaseMoved, type LandingBlocked, type LandingFailed, PlanRefused } from "./errors.ts"
import type { Displaced } from "./exchange.ts"
import { type ExchangeMode, LandingJournal, type LandingRecord } from "./LandingJournal.ts"
import { makeLanding } from "./land.ts"
import { type ApplyPlan, type LandingStep, planLanding, touchedPaths } from "./plan.ts"
import { makeRecovery, type Recovery } from "./recover.ts"
import { WorktreeFiles } from "./WorktreeFiles.ts"

export interface PrepareInput {
  /** The commit to build on; null on an unborn branch. */
  readonly base: Oid | null
  /** What the steps are made for, when it is not the tree of `base`: the working tree in `worktree` mode. */
  readonly baseTree?: Oid
  readonly steps: readonly LandingStep[]
}

export interface LandOptions {
  readonly landingId: string
  /** `main` or `refs/heads/main`. */
  readonly branch: string
  /** Survives a power cut once `land` has returned. */
  readonly durable: boolean
  /** A folder that does not exist yet, on the working tree's file system: `.hyperion/stage/<landing id>`. */
  readonly stageDir: string
  /**
   * `commit` moves the branch. `worktree` changes the files alone, as an editor would: the plan's base tree is then
   * what the working tree holds, the branch and the index stay as they are.
   */
  readonly mode: "commit" | "worktree"
  /** For the reflog. */
  readonly message?: string
}

export interface LandingResult {
  /** null in `worktree` mode, where no commit is made. */
  readonly tip: Oid | null
  /** `refs/heads/…` */
  readonly branch: string
  /** The working tree that was brought along; null when the branch is checked out nowhere. */
  readonly worktree: string | null
  /** `fallback`: the file system cannot swap names, so files were absent for a moment. */
  readonly exchange: ExchangeMode
  /** Old files, kept in the stage for writers that still have them open. Hand them to `collect` a while later. */
  readonly displaced: readonly Displaced[]
}

export interface ApplyServiceShape {
  /** Computes the plan that both a preview and a landing use. Writes nothing. */
  readonly prepare: (input: PrepareInput) => Effect.Effect<ApplyPlan, PlanRefused | ReadError>
  /**
   * All or nothing: every commit of the plan by one move of the branch, the working tree that has it checked out
   * brought along. Not interruptible once the first visible write began.
   */
  readonly land: (
    plan: ApplyPlan,
    options: LandOptions,
  ) => Effect.Effect<LandingResult, LandingBlocked | BaseMoved | LandingFailed>
  /**
   * Finishes or undoes a landing whose process died in it, by what the ref says. The caller makes sure that the process
   * is dead and nobody else recovers. `blocked`: later again.
   */
  readonly recover: (record: LandingRecord) => Effect.Effect<Recovery, LandingFailed>
  /**
   * Removes a landing's stage. A file in it whose bytes are neither `displaced` as it was nor an object of the
   * repository (somebody still wrote to it) is moved into `rescueDir` instead; its
   * new path is given back.
   */
  readonly collect: (
    stageDir: string,
    displaced: readonly Displaced[],
    rescueDir: string,
  ) => Effect.Effect<readonly string[], StoreFailed>
  /** Names of the stages in a folder; none when it is not there. */
  readonly stagesIn: (folder: string) => readonly string[]
  /** Removes what dead landings left in the git directories, except of those in `open`. Nobody may be landing. */
  readonly tidy: (open: ReadonlySet<string>) => Effect.Effect<void, StoreFailed>
}

export class ApplyService extends Context.Tag("hyperion/apply/ApplyService")<
  ApplyService,
  ApplyServiceShape
>() {
  static readonly layer = Layer.effect(
    ApplyService,
    Effect.suspend(() => make),
  )
}

const make = Effect.gen(function* () {
  const git = yield* GitRepository
  const files = yield* WorktreeFiles
  const { land } = makeLanding({ git, files, journal: yield* LandingJournal })
  const { recover } = makeRecovery({ git, files })
  const { collect, tidy } = makeCollect({ git, files })

  const prepare = Effect.fn("ApplyService.prepare")(function* (input: PrepareInput) {
    const { base, steps } = input
    const baseTree = input.baseTree ?? (base === null ? EMPTY_TREE : yield* git.treeOf(base))
    const read = yield* git.treesAlong(baseTree, touchedPaths(steps))
    const plan = planLanding({ baseCommit: base, baseTree, steps }, read)
    return plan.ok ? plan.value : yield* new PlanRefused({ problem: plan.error })
  })

  return ApplyService.of({
    prepare,
    land: Effect.fn("ApplyService.land")((plan: ApplyPlan, options: LandOptions) =>
      land(plan, { ...options, branch: branchRef(options.branch) }),
    ),
    recover: Effect.fn("ApplyService.recover")((record: LandingRecord) =>
      // The process may die in it, but it must not be told to stop half way.
      Effect.uninterruptible(recover(record)),
    ),
    collect: Effect.fn("ApplyService.collect")(collect),
    stagesIn: (folder) => (files.stat(folder) === null ? [] : files.list(folder)),
    tidy: Effect.fn("ApplyService.tidy")(tidy),
  })
})

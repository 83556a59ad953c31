import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { GuardOutput, GuardResult } from "../domain/guard.ts"
import type { GuardSpec } from "../domain/policy.ts"
import { ProcessRunner } from "../platform/ProcessRunner.ts"
import { Sandbox, type SandboxUnavailable } from "../platform/Sandbox.ts"
import { GuardMemory } from "./GuardMemory.ts"
import { applies, guardKey } from "./key.ts"
import { ready, runOnce, unable } from "./run-once.ts"
import type { GuardSettings, GuardTarget } from "./target.ts"

export interface GuardRun {
  readonly output: GuardOutput
  /** The output is an earlier run's on the same tree, environment and dependencies. */
  readonly remembered: boolean
  /** Runs made now: 0 when remembered; more than one and `passed` = flaky. */
  readonly attempts: number
  /** What the output alone does not say: why it is infra, with a hint. */
  readonly note: string | null
}

/** `base_red`: the base fails as well, so nobody is charged. `undecided`: the base could not be judged. */
export type Blame = "change" | "base_red" | "undecided"

export interface GuardServiceShape {
  /**
   * Runs one guard on the target, or recalls its result. A red solo run counts only after `flaky_retries` more were
   * red; green is remembered, red only when so confirmed, infra and timeout never. Fails only when the policy demands
   * a sandbox and there is none, or when the tree cannot be reset.
   */
  readonly run: <E>(
    target: GuardTarget<E>,
    guard: GuardSpec,
    settings: GuardSettings,
  ) => Effect.Effect<GuardRun, SandboxUnavailable | E>
  /** The guards that apply to the changed paths, in order, up to the first that does not pass. */
  readonly runAll: <E>(
    target: GuardTarget<E>,
    guards: readonly GuardSpec[],
    changedPaths: readonly string[],
    settings: GuardSettings,
  ) => Effect.Effect<readonly GuardRun[], SandboxUnavailable | E>
  /** Whose a red guard is: runs it on the base too (memory first). `base` is only materialised for that. */
  readonly blame: <E, E2, R>(
    guard: GuardSpec,
    base: Effect.Effect<GuardTarget<E>, E2, R>,
    settings: GuardSettings,
  ) => Effect.Effect<Blame, SandboxUnavailable | E | E2, Exclude<R, Scope.Scope>>
}

const make = Effect.gen(function* () {
  const runner = yield* ProcessRunner
  const sandbox = yield* Sandbox
  const memory = yield* GuardMemory

  const run = Effect.fn("GuardService.run")(function* <E>(
    target: GuardTarget<E>,
    guard: GuardSpec,
    settings: GuardSettings,
  ) {
    const prepared = yield* ready(sandbox, target, guard, settings)
    if (typeof prepared === "string") {
      return { ...unable(target, guard, "none", prepared), remembered: false, attempts: 0 }
    }
    const key = guardKey(target.tree, guard, prepared.envDigest, target.dependencies.digest)
    const known = guard.cache ? yield* memory.get(key) : Option.none<GuardOutput>()
    if (Option.isSome(known)) return { output: known.value, remembered: true, attempts: 0, note: null }
    const allowed = settings.solo ? 1 + guard.flaky_retries : 1
    for (let attempts = 1; ; attempts++) {
      yield* target.reset
      const { output, note } = yield* runOnce(runner, target, prepared, settings)
      if (output.result === "failed" && attempts < allowed) continue
      const isProof = output.result === "passed" || (output.result === "failed" && settings.solo)
      if (guard.cache && isProof) yield* memory.put(key, output)
      return { output, remembered: false, attempts, note } satisfies GuardRun
    }
  })

  const runAll = Effect.fn("GuardService.runAll")(function* <E>(
    target: GuardTarget<E>,
    guards: readonly GuardSpec[],
    changedPaths: readonly string[],
    settings: GuardSettings,
  ) {
    const runs: GuardRun[] = []
    for (const guard of guards) {
      if (!applies(guard, changedPaths)) continue
      const done = yield* run(target, guard, settings)
      runs.push(done)
      if (done.output.result !== "passed") break
    }
    return runs
  })

  const blame = Effect.fn("GuardService.blame")(function* <E, E2, R>(
    guard: GuardSpec,
    base: Effect.Effect<GuardTarget<E>, E2, R>,
    settings: GuardSettings,
  ) {
    const onBase = Effect.flatMap(base, (target) => run(target, guard, { ...settings, solo: true }))
    const { output } = yield* Effect.scoped(onBase)
    const verdict: Record<GuardResult, Blame> = {
      failed: "base_red",
      passed: "change",
      infra: "undecided",
      timeout: "undecided",
    }
    return verdict[output.result]
  })

  return { run, runAll, blame }
})

export class GuardService extends Context.Tag("hyperion/guard/GuardService")<
  GuardService,
  GuardServiceShape
>() {
  static readonly layer = Layer.effect(GuardService, make)
}

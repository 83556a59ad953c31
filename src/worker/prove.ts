import * as Effect from "effect/Effect"
import { commandArgv } from "../domain/command.ts"
import type { GuardOutput } from "../domain/guard.ts"
import type { GuardSpec, Policy } from "../domain/policy.ts"
import type { VerificationBody } from "../domain/verification.ts"
import { type GuardRun, GuardService } from "../guard/GuardService.ts"
import { applies } from "../guard/key.ts"
import { errorOf, traced } from "../telemetry/Exporter.ts"
import { candidateSpan, guardSpan, guardsContext, guardsSpans, type SpanContext } from "../telemetry/spans.ts"
import { materialize, provingGround, type TreeToProve } from "./candidates.ts"
import { guardOutcome, pipelineOutcome } from "./verdict-words.ts"

/** How the guards judged a tree. `infra` and `base_red` blame nobody. */
export type Verdict =
  | { readonly kind: "green"; readonly outputs: GuardOutput[]; readonly flags: readonly string[] }
  | { readonly kind: "red"; readonly outputs: GuardOutput[]; readonly output: GuardOutput }
  | { readonly kind: "base_red"; readonly output: GuardOutput }
  | {
      readonly kind: "infra"
      readonly code: string
      readonly message: string
      readonly hint: string
      readonly output: GuardOutput | null
    }

export type Green = Extract<Verdict, { kind: "green" }>

/** Nothing stood between the change and the branch. */
export const UNGUARDED: Green = { kind: "green", outputs: [], flags: ["unguarded"] }

/** What the guards said, from the proof that was stored then; the other flags in it are the change's own. */
export const verdictIn = ({ guard_outputs, flags }: VerificationBody): Green => ({
  kind: "green",
  outputs: guard_outputs,
  flags: flags.filter((flag) => VERDICT_FLAGS.has(flag)),
})

const VERDICT_FLAGS: ReadonlySet<string> = new Set(["unguarded", "sandbox:none", "flaky"])

export interface ProofRequest {
  readonly policy: Policy
  readonly candidate: TreeToProve
  /** The tree it is built on: asked when a guard is red, so that a broken base blames no change. */
  readonly baseTree: string
  readonly changedPaths: readonly string[]
  /** The change's own checks: guards that run even where their `when` does not match. Empty without `--run-checks`. */
  readonly checks: readonly string[]
  /** One change alone: only then is red a verdict, confirmed and remembered, and its base asked. */
  readonly solo: boolean
  /** The attempts it is a step of, one of each entry. */
  readonly attempts: readonly SpanContext[]
}

const isNamed = (guard: GuardSpec, checks: readonly string[]): boolean => {
  const argv = commandArgv(guard.command)
  return checks.some(
    (check) => check === guard.id || (argv.ok && check === argv.value.join(" ")) || check === guard.command,
  )
}

/** Policy guards that apply to these paths, and those the change names. */
export const guardsFor = ({
  policy,
  changedPaths,
  checks,
}: Pick<ProofRequest, "policy" | "changedPaths" | "checks">): readonly GuardSpec[] =>
  policy.guards.filter((guard) => applies(guard, changedPaths) || isNamed(guard, checks))

/** Runs the guards on the very tree that would land. */
export const prove = (request: ProofRequest) => {
  const guards = guardsFor(request)
  if (guards.length === 0) return Effect.succeed(UNGUARDED)
  const { attempts, candidate } = request
  return traced(judge(request, guards), (exit, time) =>
    guardsSpans(attempts, candidate.tree, time, pipelineOutcome(exit)),
  )
}

const judge = Effect.fn("worker.prove")(function* (request: ProofRequest, guards: readonly GuardSpec[]) {
  const span = guardsContext(request.attempts[0]!, request.candidate.tree)
  const service = yield* GuardService
  const ground = yield* provingGround(request.policy)
  const settings = { ...ground.settings, solo: request.solo }
  const runs = Effect.scoped(
    Effect.gen(function* () {
      const target = yield* traced(materialize(ground, request.candidate), (exit, time) => [
        candidateSpan(span, time, errorOf(exit)),
      ])
      const done: GuardRun[] = []
      for (const guard of guards) {
        const run = yield* traced(service.run(target, guard, settings), (exit, time) => [
          guardSpan(span, time, guardOutcome(guard, exit)),
        ])
        done.push(run)
        if (run.output.result !== "passed") break
      }
      return done
    }),
  )
  return yield* Effect.matchEffect(runs, {
    onFailure: (error) => Effect.succeed(unprovable(error)),
    onSuccess: (done) =>
      Effect.gen(function* () {
        const last = done.at(-1)!
        const outputs = done.map(({ output }) => output)
        switch (last.output.result) {
          case "passed":
            return {
              kind: "green",
              outputs,
              flags: [
                ...(outputs.some((output) => output.sandbox === "none") ? ["sandbox:none"] : []),
                ...(done.some((run) => run.attempts > 1) ? ["flaky"] : []),
              ],
            } satisfies Verdict
          case "failed": {
            if (!request.solo) return { kind: "red", outputs, output: last.output } satisfies Verdict
            const guard = guards[done.length - 1]!
            const base = materialize(ground, {
              tree: request.baseTree,
              base: request.candidate.base,
              objects: [],
            })
            const blame = yield* service
              .blame(guard, base, ground.settings)
              .pipe(Effect.orElseSucceed(() => "undecided" as const))
            if (blame === "base_red") return { kind: "base_red", output: last.output } satisfies Verdict
            // Without an answer from the base nobody can say whose fault it is.
            if (blame === "undecided")
              return {
                kind: "infra",
                code: "base_undecided",
                message: `guard ${guard.id} is red, and could not be run on the base to see whose fault that is`,
                hint: "see the guard's log; hyperion doctor looks at what guards need",
                output: last.output,
              } satisfies Verdict
            return { kind: "red", outputs, output: last.output } satisfies Verdict
          }
          case "timeout":
            return {
              kind: "infra",
              code: "guard_timeout",
              message: `guard ${last.output.guard_id} ran into its time limit after ${Math.round(last.output.duration_ms / 1000)} s`,
              hint: `raise timeout_seconds of guard ${last.output.guard_id} in hyperion.json, or make it faster`,
              output: last.output,
            } satisfies Verdict
          case "infra":
            return {
              kind: "infra",
              code: "guard_infra",
              message: `guard ${last.output.guard_id} could not do its work: ${last.note ?? "see its log"}`,
              hint: "dependencies come from mounts or prepare in hyperion.json; hyperion init tries every guard on the base",
              output: last.output,
            } satisfies Verdict
        }
      }),
  })
})

interface Unprovable {
  readonly _tag: string
  readonly message: string
  readonly hint?: string
  readonly stderrTail?: string
}

/** The machine could not hold the trial: nobody's change is to blame. */
const unprovable = (error: Unprovable): Verdict => ({
  kind: "infra",
  code: CODES[error._tag] ?? "candidate_failed",
  message: error.message,
  hint: error.hint ?? adviceOn(error),
  output: null,
})

const CODES: Readonly<Record<string, string>> = {
  SandboxUnavailable: "sandbox_unavailable",
  PrepareFailed: "prepare_failed",
}

const adviceOn = ({ _tag, stderrTail }: Unprovable): string => {
  if (_tag !== "PrepareFailed") return "check free space and permissions of the cache folder (HYPERION_CACHE)"
  return stderrTail
    ? `it said: ${stderrTail.slice(-300)}`
    : "run the prepare command of hyperion.json by hand"
}

import * as Exit from "effect/Exit"
import type { GuardResult } from "../domain/guard.ts"
import type { GuardSpec } from "../domain/policy.ts"
import type { GuardRun } from "../guard/GuardService.ts"
import { errorOf } from "../telemetry/Exporter.ts"
import type { Verdict } from "./prove.ts"

/** A guard's result in the words that OpenTelemetry has for a pipeline's. */
const RESULTS: Readonly<Record<GuardResult, string>> = {
  passed: "success",
  failed: "failure",
  timeout: "timeout",
  infra: "error",
}

type Ended<A> = Exit.Exit<A, { readonly _tag: string }>

export const guardOutcome = (guard: GuardSpec, exit: Ended<GuardRun>) => {
  const run = Exit.isSuccess(exit) ? exit.value : null
  const result = run?.output.result ?? "infra"
  return {
    guard: guard.id,
    result: RESULTS[result],
    exitCode: run?.output.exit_code ?? null,
    sandbox: run?.output.sandbox ?? null,
    runs: run?.attempts ?? 0,
    remembered: run?.remembered ?? false,
    error: run === null ? errorOf(exit) : result === "passed" ? null : `guard_${result}`,
  }
}

export const pipelineOutcome = (
  exit: Ended<Verdict>,
): { readonly result: string; readonly error: string | null } => {
  if (Exit.isFailure(exit)) return { result: "error", error: errorOf(exit) }
  const verdict = exit.value
  switch (verdict.kind) {
    case "green":
      return { result: RESULTS.passed, error: null }
    case "red":
      return { result: RESULTS.failed, error: "guard_failed" }
    case "base_red":
      return { result: RESULTS.failed, error: "base_red" }
    case "infra":
      return {
        result: verdict.code === "guard_timeout" ? RESULTS.timeout : RESULTS.infra,
        error: verdict.code,
      }
  }
}

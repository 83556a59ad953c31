import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type { GuardOutput } from "../domain/guard.ts"
import type { FailureReport } from "../domain/receipt.ts"
import type { Lease } from "../queue/lease.ts"
import type { Settlement } from "../queue/settle.ts"
import type { TurnOptions } from "./options.ts"
import type { Verdict } from "./prove.ts"
import type { Happening } from "./report.ts"
import { happening } from "./settlements.ts"

/** Waiting for what is not the change's fault: asked again after this long. */
const BLOCKED_RETRY_MS = 10_000
const RETRY_BASE_MS = 1_000
const RETRY_MAX_MS = 300_000

/** Exponential, with jitter, so that entries that failed together do not come back together. */
const backoff = (attempt: number) =>
  Effect.map(Random.next, (random) =>
    Math.round(Math.min(RETRY_MAX_MS, RETRY_BASE_MS * 2 ** attempt) * (0.5 + random / 2)),
  )

/** Red blames the change; a red base and broken infrastructure blame nobody. */
export const notGreen = Effect.fn("worker.notGreen")(function* (
  lease: Lease,
  verdict: Exclude<Verdict, { kind: "green" }>,
  { maxAttempts }: TurnOptions,
) {
  const at = yield* Clock.currentTimeMillis
  const result = (settlement: Settlement, told: Happening) => ({ settlement, happening: told })
  switch (verdict.kind) {
    case "red": {
      const report = redReport(verdict.output)
      return result(
        { to: "failed", lease, reasonClass: "guard", report },
        happening(lease, "failed", report.code, report.message),
      )
    }
    case "base_red": {
      const text = `guard ${verdict.output.guard_id} is red on the base too: it waits until the base is repaired`
      const reason = { code: "base_red", text }
      return result(
        { to: "scheduled", lease, runAt: at + BLOCKED_RETRY_MS, charged: false, reason },
        happening(lease, "blocked", reason.code, text),
      )
    }
    case "infra": {
      const allowed = maxAttempts ?? lease.entry.max_attempts
      if (lease.attempt >= allowed) {
        const report = infraReport(verdict, lease.attempt)
        return result(
          { to: "failed", lease, reasonClass: "attempts", report },
          happening(lease, "failed", report.code, report.message),
        )
      }
      const runAt = at + (yield* backoff(lease.attempt))
      const reason = { code: verdict.code, text: `${verdict.message}; hint: ${verdict.hint}` }
      return result(
        { to: "scheduled", lease, runAt, charged: true, maxAttempts: allowed, reason },
        happening(lease, "retry", reason.code, reason.text),
      )
    }
  }
})

const infraReport = (
  { code, message, hint, output }: Extract<Verdict, { kind: "infra" }>,
  attempts: number,
): FailureReport => ({
  schema_version: 1,
  code,
  message,
  where: `attempt ${attempts}`,
  hint,
  evidence: [],
  ...(output && { stdout_tail: output.stdout_tail, stderr_tail: output.stderr_tail }),
})

const redReport = (output: GuardOutput): FailureReport => ({
  schema_version: 1,
  code: "guard_failed",
  message: `guard ${output.guard_id} failed with exit code ${output.exit_code ?? "none"}`,
  where: `guard ${output.guard_id}: ${output.command.join(" ")}`,
  hint:
    output.log_sha256 === null
      ? "a new answer to the task takes its place"
      : `the whole log is .hyperion/logs/${output.log_sha256}.log; a new answer to the task takes its place`,
  evidence: [`tree ${output.tree}`, `${output.duration_ms} ms, sandbox ${output.sandbox}`],
  stdout_tail: output.stdout_tail,
  stderr_tail: output.stderr_tail,
})

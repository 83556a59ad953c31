import * as v from "valibot"
import { GuardId, Sha256Hex } from "./ids.ts"

export const GuardResult = v.picklist(["passed", "failed", "timeout", "infra"])
export type GuardResult = v.InferOutput<typeof GuardResult>

/**
 * One run of one guard. `tree` is the git tree id it ran on, `duration_ms` wall time, tails at most a few KiB of text,
 * `log_sha256` the digest of the whole log. `failed` blames the change; `infra` blames the machine and charges nobody.
 */
export const GuardOutput = v.strictObject({
  guard_id: GuardId,
  command: v.array(v.string()),
  tree: v.string(),
  exit_code: v.nullable(v.number()),
  result: GuardResult,
  duration_ms: v.number(),
  stdout_tail: v.string(),
  stderr_tail: v.string(),
  log_sha256: v.nullable(Sha256Hex),
  sandbox: v.picklist(["bwrap", "none"]),
})
export type GuardOutput = v.InferOutput<typeof GuardOutput>

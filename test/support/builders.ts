import * as v from "valibot"
import { GENESIS_HASH } from "../../src/domain/audit.ts"
import { CastPayload, makeCast } from "../../src/domain/cast.ts"
import { type Change, ChangeRequest, type ValidatedChangeRequest } from "../../src/domain/change-request.ts"
import { sha256Hex } from "../../src/domain/hash.ts"
import type { FailureReport, Receipt } from "../../src/domain/receipt.ts"
import type { Millis } from "../../src/domain/time.ts"
import { START } from "./effect.ts"

export interface ChangeOptions {
  readonly path?: string
  readonly operation?: Change["operation"]
  /** The whole new file; replaced by `patch` when that is given. */
  readonly content?: string
  readonly patch?: string
  readonly baseHash?: string
}

/** One change with a right `patch_hash`. Adds `src/greeting.txt` unless told otherwise. */
export const aChange = (options: ChangeOptions = {}): Change => {
  const operation = options.operation ?? "add"
  const text = options.patch ?? options.content ?? (operation === "delete" ? "" : "hello\n")
  return {
    path: options.path ?? "src/greeting.txt",
    operation,
    ...(options.patch === undefined ? { content: text } : { patch: text }),
    patch_hash: sha256Hex(text),
    ...(operation !== "add" && { base_hash: options.baseHash ?? sha256Hex("before\n") }),
  }
}

export interface ChangeRequestOptions extends ChangeOptions {
  readonly taskId?: string
  readonly agent?: string
  readonly intent?: string
  readonly complexity?: number
  readonly changes?: readonly Change[]
  readonly dependsOn?: readonly string[]
  readonly checks?: readonly string[]
  readonly approvals?: readonly { readonly approver: string; readonly note?: string }[]
}

/** A change request that its schema accepts, branded as validated. */
export const aChangeRequest = (options: ChangeRequestOptions = {}): ValidatedChangeRequest =>
  v.parse(ChangeRequest, {
    task_id: options.taskId ?? "greeting-1",
    agent: options.agent ?? "stub",
    metadata: {
      intent: options.intent ?? "say hello",
      complexity: options.complexity ?? 1,
      telemetry_anchors: ["cast_builder"],
      approvals: options.approvals ?? [],
    },
    changes: options.changes ?? [aChange(options)],
    checks: options.checks ?? [],
    ...(options.dependsOn && { depends_on: options.dependsOn }),
  }) as ValidatedChangeRequest

export interface CastOptions extends ChangeRequestOptions {
  readonly requestId?: string
  readonly at?: Millis
  readonly ttlSeconds?: number
}

/** A cast with a right id and checksum, made at `START` with the default time to live of a week. */
export const aCast = (options: CastOptions = {}): CastPayload =>
  v.parse(
    CastPayload,
    makeCast(aChangeRequest(options), {
      requestId: (options.requestId ?? "greeting") as CastPayload["request_id"],
      at: options.at ?? START,
      ttlSeconds: options.ttlSeconds ?? 604_800,
      auditHead: { hash: GENESIS_HASH, seq: 0 },
    }),
  )

const TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

/** A receipt of a landing without guards. */
export const aReceipt = (options: {
  readonly entryId: number
  readonly checksum: string
  readonly auditSeq: number
  readonly commit?: string | null
}): Receipt => ({
  schema_version: 1,
  entry_id: options.entryId,
  checksum: options.checksum,
  base_tree: TREE,
  result_tree: TREE,
  verified_as: "unguarded",
  patches: [],
  guard_outputs: [],
  approvals: [],
  flags: ["unguarded"],
  landed_at: new Date(START).toISOString(),
  commit: options.commit ?? null,
  audit_seq: options.auditSeq,
})

export const aFailureReport = (options: Partial<FailureReport> = {}): FailureReport => ({
  schema_version: 1,
  code: "guard_failed",
  message: "guard unit ended with exit code 1",
  where: "guard unit",
  hint: "hyperion show ID",
  evidence: [],
  ...options,
})

import * as Effect from "effect/Effect"
import { digestOfProof } from "../approval/binding.ts"
import { BlobStore } from "../audit/BlobStore.ts"
import type { EffectRow } from "../audit/blob.sql.ts"
import type { CastPayload } from "../domain/cast.ts"
import { castChecksum } from "../domain/cast.ts"
import { contentHash, type FileState } from "../domain/files.ts"
import { sha256Hex } from "../domain/hash.ts"
import { parseDocument } from "../domain/parse-document.ts"
import { Receipt } from "../domain/receipt.ts"
import { fail, ok, type Result } from "../domain/result.ts"
import { AUDIT_ROW, type AuditRow } from "../platform/audit.sql.ts"
import { GitRepository } from "../platform/git/GitRepository.ts"
import { readInput } from "../platform/read-input.ts"
import { CurrentWorkspace } from "../platform/Workspace.ts"
import { QueueService } from "../queue/QueueService.ts"
import { type EntryRow, PAYLOAD_BY_ID, RECEIPT } from "../queue/queue.sql.ts"
import { readFiles } from "../worker/base.ts"
import { LANDED_WITH } from "./landed.sql.ts"

/** The first thing about a landing that is not what was recorded. */
export interface VerifyFault {
  readonly code: string
  /** What differs: a field of the receipt, a path, an object. */
  readonly where: string
  readonly message: string
}

export const faultOf = (code: string, where: string, message: string): Result<never, VerifyFault> =>
  fail({ code, where, message })

/** One path of a landing, its contents read and checked against their hashes. */
export interface ProvenEffect {
  readonly path: string
  readonly before: FileState | null
  readonly after: FileState | null
}

/** A receipt whose every hash was held against content. */
export interface CheckedReceipt {
  readonly receipt: Receipt
  /** null: cleaned up; its patches are still stored by their hashes. */
  readonly cast: CastPayload | null
  readonly effects: readonly ProvenEffect[]
  /** What could not be checked, and why that is no fault. */
  readonly notes: readonly string[]
}

/** The receipt of an entry against the log, its cast, the stored contents, its guard logs and its approvals. */
export const checkReceipt = Effect.fn("operations.checkReceipt")(function* (row: EntryRow) {
  const stored = yield* storedReceipt(row)
  if (!stored.ok) return stored
  const { receipt, cast } = stored.value
  const read = yield* effectsOf(receipt)
  if (!read.ok) return read
  const { effects, notes } = read.value
  const logs = yield* guardLogs(receipt)
  if (!logs.ok) return logs
  const digest = digestOfProof(
    receipt.checksum,
    effects.map(({ path, before, after }) => ({
      path,
      operation: after === null ? "delete" : before === null ? "add" : "update",
      mode: after?.mode ?? null,
      sha256: after === null ? null : contentHash(after),
    })),
  )
  // An intent given earlier binds the cast, which is the same where every patch applied as written.
  for (const [at, approval] of receipt.approvals.entries())
    if (approval.digest !== digest && approval.digest !== receipt.checksum && !survives(receipt))
      return faultOf(
        "approval",
        `approvals[${at}].digest`,
        `the approval by ${approval.approver} binds something else than what landed`,
      )
  return ok({ receipt, cast, effects, notes: [...notes, ...logs.value] } satisfies CheckedReceipt)
})

/** `approvals.survive_rebase` keeps an approval of what was merged afterwards; the receipt says that it was rebased. */
const survives = ({ flags }: Receipt): boolean => flags.includes("rebased")

const storedReceipt = Effect.fn("operations.storedReceipt")(function* (row: EntryRow) {
  const queue = yield* QueueService
  const { body, payload } = yield* queue.read((db) => ({
    body: db.query<{ body: string }, [number]>(RECEIPT).get(row.id)?.body,
    payload: db.query<{ body: string }, [number]>(PAYLOAD_BY_ID).get(row.id)?.body,
  }))
  if (body === undefined) return faultOf("receipt_missing", "receipt", `entry ${row.id} has no receipt`)
  const parsed = parseDocument(Receipt, parseJson(body))
  if (!parsed.ok)
    return faultOf("receipt_unreadable", parsed.error[0]?.path ?? "receipt", "the receipt cannot be read")
  const receipt = parsed.value
  const logged = yield* queue.read((db) => db.query<AuditRow, [number]>(AUDIT_ROW).get(receipt.audit_seq))
  if (logged?.entry_id !== row.id || logged.event !== "applied" || receipt.entry_id !== row.id)
    return faultOf("audit_row", "audit_seq", `row ${receipt.audit_seq} of the log is not this landing`)
  const data = parseJson(logged.data) as { receipt_sha256?: string } | null
  if (data?.receipt_sha256 !== sha256Hex(body))
    return faultOf("receipt_changed", "receipt", "the receipt is not the one that the log recorded")
  if (receipt.checksum !== row.checksum)
    return faultOf("checksum", "checksum", "the receipt names another cast than its entry")
  if (payload === undefined) return ok({ receipt, cast: null })
  const cast = parseJson(payload) as CastPayload | null
  if (cast === null || !isCast(cast, receipt.checksum))
    return faultOf("cast", "checksum", "the stored cast does not match its checksum")
  return ok({ receipt, cast })
})

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

const isCast = (cast: CastPayload, checksum: string): boolean => {
  try {
    return castChecksum(cast) === checksum
  } catch {
    return false
  }
}

/** Before and after of every path, by stored content; for a landing without any, from the receipt's own trees. */
export const effectsOf = Effect.fn("operations.effectsOf")(function* (receipt: Receipt) {
  const store = yield* BlobStore
  const rows = yield* store.effectsOf(receipt.entry_id)
  const effects: ProvenEffect[] = []
  const notes: string[] = []
  if (rows.length === 0) {
    notes.push("its contents are not stored: they were read from the repository")
    const paths = [...new Set(receipt.patches.map(({ path }) => path))]
    const git = yield* GitRepository
    const present = yield* git.readObjects([receipt.result_tree, receipt.base_tree ?? receipt.result_tree])
    if (present.includes(null))
      return faultOf("tree_missing", "base_tree", "neither its contents nor its trees are there any more")
    const before = yield* readFiles(receipt.base_tree ?? receipt.result_tree, paths)
    const after = yield* readFiles(receipt.result_tree, paths)
    for (const path of paths)
      effects.push({ path, before: before.get(path) ?? null, after: after.get(path) ?? null })
  }
  for (const row of rows) {
    const read = yield* Effect.all([
      contentOf(row.before_mode, row.before_hash),
      contentOf(row.after_mode, row.after_hash),
    ]).pipe(
      Effect.map(ok),
      Effect.catchTag("ContentGone", ({ hash, reason }) =>
        Effect.succeed(faultOf("blob", row.path, `the stored content ${hash} ${reason}`)),
      ),
    )
    if (!read.ok) return read
    effects.push({ path: row.path, before: read.value[0], after: read.value[1] })
  }
  return compared(receipt, effects, notes)
})

/** What the receipt says about each path against what is there. */
const compared = (
  receipt: Receipt,
  effects: readonly ProvenEffect[],
  notes: readonly string[],
): Result<{ effects: readonly ProvenEffect[]; notes: readonly string[] }, VerifyFault> => {
  const byPath = new Map(effects.map((effect) => [effect.path, effect]))
  for (const patch of receipt.patches) {
    const effect = byPath.get(patch.path)
    const hashes = [effect?.before, effect?.after].map((state) => (state ? contentHash(state) : null))
    const where =
      hashes[0] !== patch.before_hash
        ? "before_hash"
        : hashes[1] !== patch.after_hash
          ? "after_hash"
          : (effect?.after?.mode ?? null) !== patch.mode
            ? "mode"
            : null
    if (where !== null)
      return faultOf(where, patch.path, `${patch.path}: ${where} of the receipt is not that of the content`)
  }
  const named = new Set(receipt.patches.map(({ path }) => path))
  const stray = effects.find(({ path }) => !named.has(path))
  return stray
    ? faultOf("effect", stray.path, `${stray.path} was landed, but is not in the receipt`)
    : ok({ effects, notes })
}

class ContentGone {
  readonly _tag = "ContentGone"
  readonly hash: string
  readonly reason: string
  constructor(hash: string, reason: string) {
    this.hash = hash
    this.reason = reason
  }
}

const contentOf = (mode: EffectRow["after_mode"], hash: string | null) =>
  Effect.gen(function* () {
    if (mode === null || hash === null) return null
    const store = yield* BlobStore
    const bytes = yield* Effect.catchTag(store.get(hash), "BlobCorrupt", () =>
      Effect.fail(new ContentGone(hash, "was changed after it was written")),
    )
    if (bytes === null) return yield* Effect.fail(new ContentGone(hash, "is gone"))
    return { mode, bytes } as FileState
  })

const BATCH = "batch "

/** Whether the log says of an entry that landed in the same step, or of this one, that it left this tree. */
const landedWith = ({ audit_seq }: Receipt, tree: string) =>
  Effect.flatMap(QueueService, (queue) =>
    queue.read(
      (db) => db.query<{ found: number }, [number, string]>(LANDED_WITH).get(audit_seq, tree) !== null,
    ),
  )

/** Guard runs are of the very tree that landed, and their logs, where they are still kept, are what was recorded. */
const guardLogs = Effect.fn("operations.guardLogs")(function* (receipt: Receipt) {
  const { stateDir } = yield* CurrentWorkspace
  const { verified_as, result_tree, guard_outputs } = receipt
  const isBatch = verified_as.startsWith(BATCH)
  const proven = isBatch ? verified_as.slice(BATCH.length) : verified_as
  const hasLanded = isBatch
    ? yield* landedWith(receipt, proven)
    : proven === "unguarded" || proven === result_tree
  if (!hasLanded)
    return faultOf("verified_as", "verified_as", "the guards ran on another tree than the one that landed")
  const notes: string[] = []
  for (const [at, output] of guard_outputs.entries()) {
    if (output.tree !== proven)
      return faultOf(
        "guard_tree",
        `guard_outputs[${at}].tree`,
        `guard ${output.guard_id} ran on another tree`,
      )
    if (output.log_sha256 === null) continue
    const log = yield* Effect.option(readInput(`${stateDir}/logs/${output.log_sha256}.log`))
    if (log._tag === "None") notes.push(`the log of guard ${output.guard_id} is not kept any more`)
    else if (sha256Hex(log.value) !== output.log_sha256)
      return faultOf(
        "guard_log",
        `guard_outputs[${at}].log_sha256`,
        `the log of ${output.guard_id} was changed`,
      )
  }
  return ok(notes)
})

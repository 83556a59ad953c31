import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { AuditService } from "../../src/audit/AuditService.ts"
import type { CastPayload } from "../../src/domain/cast.ts"
import { Database } from "../../src/platform/Database.ts"
import type { Decision, Withdrawal } from "../../src/queue/decide.ts"
import type { EnqueueItem } from "../../src/queue/enqueue.ts"
import type { Lease } from "../../src/queue/lease.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import type { EntryRow } from "../../src/queue/queue.sql.ts"
import { historyOf } from "../../src/queue/read.ts"
import type { Settlement, Verification } from "../../src/queue/settle.ts"
import { entryRow } from "../../src/queue/transition.ts"
import { aCast, aFailureReport, aReceipt, type CastOptions } from "./builders.ts"
import { tempFolder } from "./temp.ts"

const stages = Layer.merge(QueueService.layer, AuditService.layer)

export const queueInMemory = Layer.provideMerge(stages, Database.layerMemory)

export const queueInFile = Layer.provideMerge(
  stages,
  Layer.unwrapScoped(
    Effect.map(tempFolder, (folder) => Database.layer({ file: join(folder, "hyperion.db"), create: true })),
  ),
)

/** Every layer the queue's tests run over. */
export const QUEUE_LAYERS = [
  ["memory", queueInMemory],
  ["file", queueInFile],
] as const

export const HOUR = 3_600_000
export const DAY = 24 * HOUR
export const LEASE_MS = 300_000
export const ENQUEUE = { actor: "operator", dedupWindowMs: DAY, maxDepth: 100_000 } as const

export type ItemOptions = CastOptions & Partial<Omit<EnqueueItem, "cast">>

export const itemOf = (cast: CastPayload, options: Partial<Omit<EnqueueItem, "cast">> = {}): EnqueueItem => ({
  cast,
  priority: 5,
  landing: "independent",
  maxAttempts: 5,
  supersede: false,
  ...options,
})

/** One item around a fresh cast. */
export const anItem = (options: ItemOptions = {}): EnqueueItem => {
  const { priority, landing, maxAttempts, supersede, ...cast } = options
  return itemOf(aCast(cast), {
    ...(priority !== undefined && { priority }),
    ...(landing !== undefined && { landing }),
    ...(maxAttempts !== undefined && { maxAttempts }),
    ...(supersede !== undefined && { supersede }),
  })
}

/** Enqueues one item and gives its entry's id; anything but `queued` is a defect of the test. */
export const enqueued = (options: ItemOptions = {}) =>
  Effect.gen(function* () {
    const queue = yield* QueueService
    const [outcome] = yield* queue.enqueue([anItem(options)], ENQUEUE)
    if (outcome?.outcome !== "queued") throw new Error(`not queued: ${JSON.stringify(outcome)}`)
    return outcome.entryId
  })

export const outcomeOf = (options: ItemOptions = {}) =>
  Effect.gen(function* () {
    const queue = yield* QueueService
    return (yield* queue.enqueue([anItem(options)], ENQUEUE))[0]!
  })

/** Leases one entry; that there is none is a defect of the test. */
export const leased = (worker = "worker-1", leaseMs = LEASE_MS) =>
  Effect.gen(function* () {
    const queue = yield* QueueService
    const [lease] = yield* queue.lease(worker, leaseMs, 1)
    if (!lease) throw new Error("nothing to lease")
    return lease
  })

export const entry = (id: number) =>
  Effect.gen(function* () {
    const queue = yield* QueueService
    const row = yield* queue.read((db) => entryRow(db, id))
    if (!row) throw new Error(`no entry ${id}`)
    return row satisfies EntryRow
  })

export const history = (id: number) =>
  Effect.gen(function* () {
    const queue = yield* QueueService
    return yield* queue.read((db) => historyOf(db, entryRow(db, id)!))
  })

export const events = (id: number) => Effect.map(history(id), (rows) => rows.map((row) => row.event))

export const TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
const DIGEST = "d".repeat(64)

export const aVerification = (options: Partial<Verification> = {}): Verification => ({
  baseCommit: null,
  baseTree: TREE,
  resultTree: TREE,
  approvalDigest: DIGEST,
  guards: 1,
  body: {},
  ...options,
})

const because = { code: "test", text: "the test says so" } as const

/** A settlement of each kind with plausible contents. */
export const settlement = (
  lease: Lease,
  to: Settlement["to"],
  options: { readonly runAt?: number; readonly charged?: boolean } = {},
): Settlement => {
  switch (to) {
    case "committing":
      return { to, lease, verification: aVerification() }
    case "verified":
    case "awaiting_approval":
      return { to, lease, verification: aVerification(), reason: because }
    case "applied":
      return {
        to,
        lease,
        receipt: (auditSeq) => aReceipt({ entryId: lease.entry.id, checksum: lease.cast.checksum, auditSeq }),
      }
    case "undone":
    case "pending":
      return { to, lease, reason: because }
    case "scheduled":
      return { to, lease, runAt: options.runAt ?? 0, charged: options.charged ?? true, reason: because }
    case "conflict":
      return { to, lease, report: aFailureReport({ code: "conflict" }) }
    case "failed":
      return { to, lease, reasonClass: "guard", report: aFailureReport() }
  }
}

export const settled = (
  lease: Lease,
  to: Settlement["to"],
  options?: { readonly runAt?: number; readonly charged?: boolean },
) => Effect.flatMap(QueueService, (queue) => queue.settle([settlement(lease, to, options)]))

/** Leases, proves and lands one entry. */
export const landed = (options: ItemOptions = {}) =>
  Effect.gen(function* () {
    const id = yield* enqueued(options)
    const lease = yield* leased()
    yield* settled(lease, "committing")
    yield* settled(lease, "applied")
    return id
  })

export const aDecision = (options: Partial<Decision> = {}): Decision => ({
  decision: "approve",
  approver: "ada",
  note: null,
  role: null,
  digest: DIGEST,
  presence: "tty",
  attested: false,
  signature: null,
  acknowledged: [],
  ...options,
})

export const aWithdrawal = (options: Partial<Withdrawal> = {}): Withdrawal => ({
  event: "cancelled",
  actor: "operator",
  code: "cancelled",
  text: "not needed any more",
  ...options,
})

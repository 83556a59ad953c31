import { expect, test } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import { AuditService } from "../../src/audit/AuditService.ts"
import { BlobStore } from "../../src/audit/BlobStore.ts"
import { LogExport } from "../../src/audit/LogExport.ts"
import { archive } from "../../src/operations/archive.ts"
import { verifyFiles } from "../../src/operations/audit-files.ts"
import { cleanup } from "../../src/operations/cleanup.ts"
import { queueDigest, replay } from "../../src/operations/replay.ts"
import { shipLog } from "../../src/operations/ship.ts"
import { Database } from "../../src/platform/Database.ts"
import { holdEntry } from "../../src/queue/hold.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import type { EntryRow } from "../../src/queue/queue.sql.ts"
import { listEntries } from "../../src/queue/read.ts"
import { runTest } from "../support/effect.ts"
import { aDecision, anItem, aWithdrawal, ENQUEUE, HOUR, LEASE_MS, settled } from "../support/queue.ts"
import { desk } from "./support.ts"

const layer = Layer.provideMerge(Layer.merge(LogExport.layer, BlobStore.layer), desk())

const TASKS = ["a", "b", "c", "d"] as const
const END = ["applied", "conflict", "failed", "pending"] as const
type Step =
  | { readonly kind: "offer"; readonly task: number; readonly content: number; readonly after: number | null }
  | { readonly kind: "work"; readonly end: (typeof END)[number] }
  | { readonly kind: "requeue" | "cancel" | "hold" | "approve"; readonly nth: number }
  | { readonly kind: "pass"; readonly hours: number }
  | { readonly kind: "clean" }
  | { readonly kind: "archive"; readonly hours: number; readonly folder: number }

const step: FastCheck.Arbitrary<Step> = FastCheck.oneof(
  {
    weight: 6,
    arbitrary: FastCheck.record({
      kind: FastCheck.constant("offer" as const),
      task: FastCheck.nat(TASKS.length - 1),
      content: FastCheck.nat(2),
      after: FastCheck.option(FastCheck.nat(TASKS.length - 1), { freq: 3 }),
    }),
  },
  {
    weight: 6,
    arbitrary: FastCheck.record({
      kind: FastCheck.constant("work" as const),
      end: FastCheck.constantFrom(...END, "applied" as const),
    }),
  },
  {
    weight: 2,
    arbitrary: FastCheck.record({
      kind: FastCheck.constantFrom(
        "requeue" as const,
        "cancel" as const,
        "hold" as const,
        "approve" as const,
      ),
      nth: FastCheck.nat(9),
    }),
  },
  {
    weight: 3,
    arbitrary: FastCheck.record({
      kind: FastCheck.constant("pass" as const),
      hours: FastCheck.constantFrom(1, 5, 30),
    }),
  },
  { weight: 1, arbitrary: FastCheck.constant({ kind: "clean" as const }) },
  {
    weight: 5,
    arbitrary: FastCheck.record({
      kind: FastCheck.constant("archive" as const),
      hours: FastCheck.constantFrom(0, 0, 2),
      folder: FastCheck.constantFrom(0, 0, 0, 1),
    }),
  },
)

const entries = Effect.flatMap(QueueService, (queue) => queue.read((db) => listEntries(db, { limit: 1_000 })))

const act = (step: Step, folders: readonly string[]) =>
  Effect.gen(function* () {
    const queue = yield* QueueService
    const at = yield* Clock.currentTimeMillis
    const pick = (nth: number, wanted: (row: EntryRow) => boolean) =>
      Effect.map(entries, (rows) => {
        const found = rows.filter(wanted)
        return found[nth % Math.max(1, found.length)]
      })
    switch (step.kind) {
      case "offer": {
        const task = TASKS[step.task]!
        const dependsOn = step.after === null || step.after === step.task ? [] : [TASKS[step.after]!]
        const item = anItem({
          taskId: task,
          content: `${step.content}\n`,
          dependsOn,
          at,
          ttlSeconds: 30 * 86_400,
        })
        const before = (yield* entries).filter((row) => row.task_id === task)
        const [outcome] = yield* queue.enqueue([item], ENQUEUE)
        // Whatever was archived: a landing is not taken a second time within the window, nor answered anew.
        if (outcome?.outcome === "queued") {
          const row = (yield* entries).find(({ id }) => id === outcome.entryId)!
          for (const old of before.filter(({ state }) => state === "applied")) {
            expect(old.payload_hash).toBe(row.payload_hash)
            expect(row.generation).toBeGreaterThan(old.generation)
            if (old.archived !== null) expect(old.updated_at + ENQUEUE.dedupWindowMs).toBeLessThanOrEqual(at)
          }
        }
        return
      }
      case "work": {
        const [lease] = yield* queue.lease("worker-1", LEASE_MS, 1)
        if (!lease) return
        if (step.end === "applied") yield* settled(lease, "committing")
        yield* settled(lease, step.end)
        return
      }
      case "requeue": {
        const row = yield* pick(step.nth, ({ state }) => state === "failed")
        if (row) yield* queue.requeue(row.id, "again", "ada")
        return
      }
      case "cancel": {
        const row = yield* pick(step.nth, ({ state }) => state === "pending")
        if (row) yield* queue.withdraw(row.id, aWithdrawal())
        return
      }
      case "hold": {
        const row = yield* pick(step.nth, ({ state }) => state === "pending")
        if (row) yield* queue.transact((db) => holdEntry(db, row.id, { actor: "ada", reason: "wait" }, at))
        return
      }
      case "approve": {
        const row = yield* pick(step.nth, ({ archived }) => archived === null)
        const target = row === undefined ? { requestId: "greeting" } : { entryId: row.id }
        yield* queue.approve(target, aDecision(), false)
        return
      }
      case "pass":
        return yield* TestClock.adjust(step.hours * HOUR)
      case "clean":
        return void (yield* cleanup({ ttlSeconds: 3_600, dryRun: false }))
      case "archive": {
        const options = {
          folder: folders[step.folder]!,
          before: at - step.hours * HOUR,
          dryRun: false,
          yes: true,
        }
        // A folder that missed a checkpoint cannot take the next one, and says so.
        const report = yield* archive(options, { render: () => "", color: false }).pipe(
          Effect.catchTag("SegmentsForeign", () => Effect.succeed(null)),
        )
        if (report?.archived) seen.archives += 1
        return
      }
    }
  })

/** So that the property is not about nothing. */
const seen = { archives: 0, carried: 0, whole: 0 }

test("whatever is archived when, log, queue and deduplication stay what they were", async () => {
  await FastCheck.assert(
    FastCheck.asyncProperty(FastCheck.array(step, { minLength: 20, maxLength: 60 }), async (steps) => {
      const root = mkdtempSync(join(tmpdir(), "hyperion-archive-"))
      const folders = [join(root, "one"), join(root, "two")]
      try {
        await runTest(
          layer,
          Effect.gen(function* () {
            const database = yield* Database
            const audit = yield* AuditService
            for (const one of steps) {
              yield* act(one, folders)
              expect((yield* audit.verify()).fault).toBeNull()
            }
            const carried = yield* database.read(
              (db) =>
                db.query("SELECT 1 FROM audit WHERE seq <= (SELECT max(cut) FROM archive)").all().length,
            )
            if (carried > 0) seen.carried += 1
            const live = yield* queueDigest(database)
            const { rows, head } = yield* audit.verify()
            if (rows === 0) return
            // A new folder begins behind the checkpoint; the archive's own holds the whole chain.
            for (const folder of [join(root, "fresh"), folders[0]!]) {
              const shipped = yield* Effect.either(shipLog(folder))
              if (shipped._tag === "Left") continue
              const report = yield* verifyFiles(folder, head)
              expect(report.fault).toBeNull()
              if (report.archived === 0) seen.whole += 1
              const again = yield* replay({ to: `${folder}-again`, until: undefined, from: folder })
              expect(again.head).toBe(head)
              if (report.archived > 0) expect(again.queue_digest).toBe(live)
              expect(again.entries).toBe((yield* entries).length)
            }
          }),
        )
      } finally {
        rmSync(root, { recursive: true, force: true })
      }
    }),
    { numRuns: Number(process.env["HYPERION_RUNS"] ?? 20) },
  )
  expect(seen.archives).toBeGreaterThan(3)
  expect(seen.carried).toBeGreaterThan(0)
  expect(seen.whole).toBeGreaterThan(0)
}, 120_000)

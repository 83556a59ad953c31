import { afterEach, describe, expect, test } from "bun:test"
import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { AuditService } from "../../src/audit/AuditService.ts"
import { sha256Hex } from "../../src/domain/hash.ts"
import { PUT_GUARD_OUTPUT } from "../../src/guard/guard-memory.sql.ts"
import { RequestStore } from "../../src/intake/RequestStore.ts"
import { PUT_CHECKOUT } from "../../src/operations/checkout.sql.ts"
import { automaticCleanup, type CleanupOptions, cleanup } from "../../src/operations/cleanup.ts"
import { replay } from "../../src/operations/replay.ts"
import { revert } from "../../src/operations/revert.ts"
import { CurrentWorkspace } from "../../src/platform/Workspace.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import { deadLetters, historyOf, receiptOf } from "../../src/queue/read.ts"
import { payloadBytes } from "../../src/queue/sweep.ts"
import { entryRow } from "../../src/queue/transition.ts"
import { START, withLayer } from "../support/effect.ts"
import {
  anItem,
  aVerification,
  DAY,
  ENQUEUE,
  enqueued,
  entry,
  HOUR,
  landed,
  leased,
  settled,
} from "../support/queue.ts"
import { requestOf } from "../support/workspace.ts"
import { openWorkshop, type Workshop } from "../worker/workshop.ts"
import { lineChange, TEXT, verifyAll, withLog } from "./landed.ts"
import { desk } from "./support.ts"

const it = withLayer(desk())
const agent = withLayer(desk({ presence: { terminal: true, agent: "copilot" } }))

const clean = (options: Partial<CleanupOptions> = {}) =>
  cleanup({ ttlSeconds: undefined, dryRun: false, ...options })

const swept = (id: number) =>
  Effect.flatMap(QueueService, (queue) => queue.read((db) => payloadBytes(db, id) === null))

const audited = Effect.gen(function* () {
  const { fault } = yield* (yield* AuditService).verify()
  return fault
})

const failedOne = (taskId: string) =>
  Effect.gen(function* () {
    const id = yield* enqueued({ taskId })
    yield* settled(yield* leased(), "failed")
    return id
  })

describe("cleanup", () => {
  it.effect("sweeps what is older than the policy keeps it; failed entries are kept longer", () =>
    Effect.gen(function* () {
      const queue = yield* QueueService
      const old = yield* landed({ taskId: "old" })
      const conflict = yield* enqueued({ taskId: "conflict" })
      yield* settled(yield* leased(), "conflict")
      const failed = yield* failedOne("failed")
      yield* TestClock.adjust(7 * DAY + 1)
      const fresh = yield* landed({ taskId: "fresh", at: START + 7 * DAY })
      const waiting = yield* enqueued({ taskId: "waiting", at: START + 7 * DAY })

      expect(yield* clean({ dryRun: true })).toMatchObject({ decided: 2, failed: 0 })
      expect(yield* swept(old)).toBe(false)
      expect(yield* clean()).toMatchObject({ dry_run: false, decided: 2, failed: 0 })
      for (const id of [old, conflict]) expect(yield* swept(id)).toBe(true)
      for (const id of [failed, fresh, waiting]) expect(yield* swept(id)).toBe(false)
      expect(yield* queue.read((db) => deadLetters(db, { limit: 10 }))).toHaveLength(1)
      expect(yield* audited).toBeNull()

      yield* TestClock.adjust(23 * DAY)
      expect(yield* clean()).toMatchObject({ decided: 1, failed: 1 })
      expect(yield* queue.read((db) => deadLetters(db, { limit: 10 }))).toEqual([])
      expect(yield* swept(waiting)).toBe(false)
      expect(yield* audited).toBeNull()
      expect(yield* clean()).toMatchObject({ decided: 0, failed: 0 })
    }),
  )

  agent.effect("an agent may sweep what the policy gives up, and nothing earlier than that", () =>
    Effect.gen(function* () {
      const failed = yield* failedOne("failed")
      const refused = yield* Effect.flip(clean({ ttlSeconds: 0 }))
      expect(refused).toMatchObject({ _tag: "ApprovalRefused", reason: "agent_environment" })
      expect(yield* swept(failed)).toBe(false)
      expect(yield* clean({ ttlSeconds: 0, dryRun: true })).toMatchObject({ failed: 1 })
      yield* TestClock.adjust(30 * DAY + 1)
      expect(yield* clean()).toMatchObject({ failed: 1 })
    }),
  )

  it.effect("keeps receipt, row and history, and says in the log what it took", () =>
    Effect.gen(function* () {
      const queue = yield* QueueService
      const id = yield* landed()
      const before = yield* queue.read((db) => receiptOf(db, id))
      yield* TestClock.adjust(HOUR)
      const report = yield* clean({ ttlSeconds: 60 })
      expect(report.payload_bytes).toBeGreaterThan(100)
      yield* queue.read((db) => {
        expect(receiptOf(db, id)).toEqual(before)
        const rows = historyOf(db, entryRow(db, id)!)
        expect(rows.at(-1)).toMatchObject({ event: "swept", actor: "ada" })
        expect(JSON.parse(rows.at(-1)!.data)).toEqual({ bytes: report.payload_bytes })
        expect(db.query("SELECT event, subject FROM audit ORDER BY seq DESC LIMIT 1").get()).toEqual({
          event: "cleanup",
          subject: "queue",
        })
      })
      expect(yield* entry(id)).toMatchObject({ state: "applied", updated_at: START })
    }),
  )

  it.effect("frees the dedup key: the same payload is a new entry, not a raw UNIQUE error", () =>
    Effect.gen(function* () {
      const queue = yield* QueueService
      const id = yield* landed()
      const again = () => queue.enqueue([anItem()], ENQUEUE)
      expect((yield* again())[0]).toMatchObject({ outcome: "duplicate", entryId: id })
      yield* TestClock.adjust(1_000)
      yield* clean({ ttlSeconds: 1 })
      const [outcome] = yield* again()
      expect(outcome).toMatchObject({ outcome: "queued" })
      expect(yield* entry((outcome as { entryId: number }).entryId)).toMatchObject({ generation: 2 })
      expect(yield* audited).toBeNull()
    }),
  )

  it.effect("refuses to requeue what has no payload any more", () =>
    Effect.gen(function* () {
      const queue = yield* QueueService
      const id = yield* failedOne("failed")
      yield* TestClock.adjust(1_000)
      yield* clean({ ttlSeconds: 1 })
      expect(yield* queue.requeue(id, "again", "ada")).toBeNull()
      expect((yield* entry(id)).state).toBe("failed")
    }),
  )

  it.effect("leaves an entry that was requeued since it failed", () =>
    Effect.gen(function* () {
      const queue = yield* QueueService
      const id = yield* failedOne("failed")
      yield* TestClock.adjust(HOUR)
      yield* queue.requeue(id, "again", "ada")
      expect(yield* clean({ ttlSeconds: 60 })).toMatchObject({ failed: 0 })
      yield* settled(yield* leased(), "failed")
      yield* TestClock.adjust(HOUR)
      expect(yield* clean({ ttlSeconds: 60 })).toMatchObject({ failed: 1 })
    }),
  )

  it.effect("passes rows from the future: a clock that was wrong stops nothing for ever", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(START + 3_650 * DAY)
      yield* landed({ taskId: "future", at: START + 3_650 * DAY })
      yield* TestClock.setTime(START)
      const id = yield* landed({ taskId: "now" })
      yield* TestClock.adjust(HOUR)
      expect(yield* clean({ ttlSeconds: 60 })).toMatchObject({ decided: 1 })
      expect(yield* swept(id)).toBe(true)
    }),
  )

  it.effect("takes 100 entries in a transaction, and all of them in the end", () =>
    Effect.gen(function* () {
      const queue = yield* QueueService
      for (let n = 0; n < 250; n++) yield* landed({ taskId: `task-${n}` })
      yield* TestClock.adjust(HOUR)
      const options = { kind: "decided", before: START + 1, actor: "ada" } as const
      const sizes: number[] = []
      for (let more = true; more; ) {
        const found = yield* queue.sweep(options)
        sizes.push(found.entries.length)
        more = found.more
      }
      expect(Math.max(...sizes)).toBe(100)
      expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(250)
      const head = yield* queue.head()
      expect((yield* queue.sweep(options)).entries).toEqual([])
      // Nothing left to do: nothing is written.
      expect((yield* queue.head()).seq).toBe(head.seq)
      expect(yield* audited).toBeNull()
    }),
  )
})

describe("after a cleanup", () => {
  let shop: Workshop | undefined
  let target: string | undefined
  afterEach(async () => {
    await shop?.dispose()
    shop?.remove()
    if (target !== undefined) rmSync(target, { recursive: true, force: true })
  })

  test("what landed can be verified, replayed bit by bit, and reverted", async () => {
    shop = await openWorkshop({ files: { "text.txt": TEXT } })
    await shop.enqueue([requestOf("add", { "new.txt": "new\n" })])
    await shop.drain()
    const [second] = await shop.enqueue([lineChange("change", 4, "changed")])
    await shop.drain()
    const tree = shop.git("rev-parse", "main^{tree}")
    await shop.pass(HOUR)
    expect(await shop.run(cleanup({ ttlSeconds: 60, dryRun: false }))).toMatchObject({ decided: 2 })
    expect((await verifyAll(shop)).map(({ ok, fault }) => ({ ok, fault }))).toEqual([
      { ok: true, fault: null },
      { ok: true, fault: null },
    ])
    target = mkdtempSync(join(tmpdir(), "hyperion-replay-"))
    const replayed = await withLog(shop, replay({ to: target, until: undefined, from: undefined }))
    expect(replayed).toMatchObject({ landings: 2, tip_tree: tree })
    await shop.run(Effect.scoped(revert({ kind: "id", id: String(second) }, { dryRun: false })))
    await shop.drain()
    expect(shop.git("show", "main:text.txt")).toBe(TEXT.trimEnd())
  })
})

describe("what gathers beside entries", () => {
  const old = (text: string) => sha256Hex(new TextEncoder().encode(text))
  const result = (log: string, said: "passed" | "failed") =>
    JSON.stringify({ guard_id: "test", result: said, log_sha256: old(log) })
  const remembered = (key: string, output: string) =>
    Effect.gen(function* () {
      const at = yield* Clock.currentTimeMillis
      yield* (yield* QueueService).transact((db) => db.query(PUT_GUARD_OUTPUT).run(key, output, at))
    })
  const keys = Effect.flatMap(QueueService, (queue) =>
    queue.read((db) =>
      db
        .query<{ key: string }, []>("SELECT key FROM guard_memory ORDER BY key")
        .all()
        .map(({ key }) => key),
    ),
  )
  /** The newest rows of the log, without those of entries. */
  const sweptRows = Effect.flatMap(QueueService, (queue) =>
    queue.read((db) =>
      db
        .query<{ subject: string; data: string }, []>(
          "SELECT subject, data FROM audit WHERE event = 'swept' AND entry_id IS NULL ORDER BY seq",
        )
        .all()
        .map(({ subject, data }) => [subject, JSON.parse(data).count]),
    ),
  )
  /** Writes logs, as guards left them at the present moment. */
  const logs = (...texts: readonly string[]) =>
    Effect.gen(function* () {
      const { stateDir } = yield* CurrentWorkspace
      const at = yield* Clock.currentTimeMillis
      mkdirSync(join(stateDir, "logs"), { recursive: true })
      for (const text of texts) {
        const path = join(stateDir, "logs", `${old(text)}.log`)
        writeFileSync(path, text)
        utimesSync(path, at / 1_000, at / 1_000)
      }
    })
  const logsThere = (...texts: readonly string[]) =>
    Effect.map(CurrentWorkspace, ({ stateDir }) =>
      texts.filter((text) => existsSync(join(stateDir, "logs", `${old(text)}.log`))),
    )

  it.effect("remembered results go: green ones with decided entries, red ones with failed ones", () =>
    Effect.gen(function* () {
      yield* remembered("green", result("a", "passed"))
      yield* remembered("red", result("b", "failed"))
      yield* remembered("unreadable", "{")
      yield* TestClock.adjust(8 * DAY)
      yield* remembered("young", result("c", "passed"))
      expect(yield* clean({ dryRun: true })).toMatchObject({ guard_results: 1 })
      expect(yield* keys).toHaveLength(4)
      expect(yield* clean()).toMatchObject({ guard_results: 1 })
      expect(yield* keys).toEqual(["red", "unreadable", "young"])
      yield* TestClock.adjust(23 * DAY)
      expect(yield* clean()).toMatchObject({ guard_results: 3 })
      expect(yield* keys).toEqual([])
      expect(yield* sweptRows).toEqual([
        ["guard_results", 1],
        ["guard_results", 3],
      ])
      expect(yield* audited).toBeNull()
    }),
  )

  it.effect("takes 100 results in a transaction", () =>
    Effect.gen(function* () {
      for (let n = 0; n < 100; n++) yield* remembered(`key-${n}`, result("a", "passed"))
      yield* TestClock.adjust(8 * DAY)
      const fiber = yield* Effect.fork(clean())
      yield* TestClock.adjust("1 second")
      expect(yield* Fiber.join(fiber)).toMatchObject({ guard_results: 100 })
      expect(yield* sweptRows).toEqual([["guard_results", 100]])
    }),
  )

  it.effect("logs go when nothing undecided and nothing remembered names them", () =>
    Effect.gen(function* () {
      const queue = yield* QueueService
      const { stateDir } = yield* CurrentWorkspace
      yield* logs("old", "named by a proof", "named by memory")
      mkdirSync(join(stateDir, "logs", "running-abc"))
      utimesSync(join(stateDir, "logs", "running-abc"), START / 1_000, START / 1_000)
      writeFileSync(join(stateDir, "logs", "notes.txt"), "a person's")
      utimesSync(join(stateDir, "logs", "notes.txt"), START / 1_000, START / 1_000)
      yield* TestClock.adjust(31 * DAY)
      yield* logs("young")
      yield* remembered("key", result("named by memory", "failed"))
      yield* enqueued({ taskId: "waits", at: START + 31 * DAY })
      yield* queue.settle([
        {
          to: "awaiting_approval",
          lease: yield* leased(),
          verification: aVerification({
            body: { guard_outputs: [JSON.parse(result("named by a proof", "passed"))] },
          }),
          reason: { code: "approval_missing", text: "1 more" },
        },
      ])
      const all = ["old", "named by a proof", "named by memory", "young"]
      expect(yield* clean({ dryRun: true })).toMatchObject({ guard_logs: 2 })
      expect(yield* logsThere(...all)).toEqual(all)
      expect(yield* clean()).toMatchObject({ guard_logs: 2 })
      expect(yield* logsThere(...all)).toEqual(all.slice(1))
      expect(existsSync(join(stateDir, "logs", "running-abc"))).toBe(false)
      expect(existsSync(join(stateDir, "logs", "notes.txt"))).toBe(true)
      expect(yield* sweptRows).toEqual([["guard_logs", 2]])
    }),
  )

  it.effect("prompts of what landed or waits stay; others go, and that there was a run stays", () =>
    Effect.gen(function* () {
      const store = yield* RequestStore
      const queue = yield* QueueService
      const run = (taskId: string) =>
        Effect.flatMap(Clock.currentTimeMillis, (startedAt) =>
          store.recordRun({
            taskId: taskId as never,
            agent: "codex",
            model: null,
            outcome: "answered",
            prompt: `do ${taskId}`,
            answer: "done",
            usage: null as never,
            startedAt,
            durationMs: 1,
          }),
        )
      const prompts = queue.read((db) =>
        db
          .query<{ task_id: string; prompt: string }, []>("SELECT task_id, prompt FROM agent_run ORDER BY id")
          .all()
          .map(({ task_id, prompt }) => [task_id, prompt]),
      )
      for (const task of ["landed", "failed", "unanswered"]) yield* run(task)
      yield* landed({ taskId: "landed" })
      yield* failedOne("failed")
      yield* TestClock.adjust(31 * DAY)
      yield* run("young")
      expect(yield* clean({ dryRun: true })).toMatchObject({ agent_runs: 2 })
      expect(yield* clean()).toMatchObject({ agent_runs: 2 })
      expect(yield* prompts).toEqual([
        ["landed", "do landed"],
        ["failed", ""],
        ["unanswered", ""],
        ["young", "do young"],
      ])
      expect(yield* clean()).toMatchObject({ agent_runs: 0 })
      expect(yield* audited).toBeNull()
    }),
  )

  it.effect("forgets checkouts whose folder is gone", () =>
    Effect.gen(function* () {
      const queue = yield* QueueService
      const id = yield* landed()
      const { root } = yield* CurrentWorkspace
      yield* queue.transact((db, at) => {
        for (const directory of [root, join(root, "gone")])
          db.query(PUT_CHECKOUT).run(directory, id, null, "t", "t", at)
      })
      expect(yield* clean()).toMatchObject({ checkouts: 0 })
      yield* TestClock.adjust(8 * DAY)
      expect(yield* clean()).toMatchObject({ checkouts: 1 })
      expect(yield* queue.read((db) => db.query("SELECT directory FROM checkout").all())).toEqual([
        { directory: root },
      ])
    }),
  )

  it.effect("a worker does the same by itself", () =>
    Effect.gen(function* () {
      yield* remembered("green", result("a", "passed"))
      yield* logs("old")
      yield* TestClock.adjust(31 * DAY)
      yield* Effect.scoped(automaticCleanup)
      expect(yield* keys).toEqual([])
      expect(yield* logsThere("old")).toEqual([])
    }),
  )
})

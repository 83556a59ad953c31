import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import { dataOf } from "../audit/ledger.ts"
import { type Millis, toTimestamp } from "../domain/time.ts"
import { auditAppender, auditHead } from "../platform/audit-append.sql.ts"
import { childEnv } from "../platform/child-env.ts"
import { Operator } from "../platform/Operator.ts"
import { type Argv, ProcessRunner } from "../platform/ProcessRunner.ts"
import { CurrentWorkspace } from "../platform/Workspace.ts"
import { type Alert, claimAlert, claimedAlerts, nextAlert } from "../queue/alerts.ts"
import { QueueService } from "../queue/QueueService.ts"
import { receiptOf } from "../queue/read.ts"
import { entryRow } from "../queue/transition.ts"
import { currentBase } from "../worker/base.ts"

const LOOK_MS: Millis = 1_000
const HOOK_TIMEOUT_MS: Millis = 10_000
/** A run that ends by itself tells what is left to tell, for at most this long. */
const FLUSH_MS: Millis = 15_000
const MAX_OUTPUT_BYTES = 4_096
/** After an error that is not a hook's: a policy nobody trusts, a locked database. */
const AGAIN = Schedule.spaced(5_000)

/** What a hook reads on its standard input, as one line of JSON. */
export interface HookEvent {
  readonly schema_version: 1
  readonly event: Alert["name"]
  readonly seq: number
  readonly at: string
  readonly actor: string
  readonly entry_id: number | null
  readonly task_id: string | null
  readonly agent: string | null
  readonly code: string | null
  readonly message: string
  readonly commit: string | null
  readonly next: string
}

const NEXT: Readonly<Record<Alert["name"], (id: number) => string>> = {
  conflict: (id) => `hyperion why ${id}`,
  dead_letter: (id) => `hyperion why ${id}`,
  freeze: () => "hyperion status",
  landed: (id) => `hyperion receipt ${id}`,
  approval_missing: (id) => `hyperion approve ${id}`,
}

type Db = Parameters<typeof entryRow>[0]

const textOf = (value: unknown): string | null => (typeof value === "string" ? value : null)

const hookEvent = (db: Db, { name, row }: Alert): HookEvent => {
  const entry = row.entry_id === null ? null : entryRow(db, row.entry_id)
  const data = dataOf(row.data)
  const commit = name === "landed" && entry ? (receiptOf(db, entry.id)?.commit ?? null) : null
  return {
    schema_version: 1,
    event: name,
    seq: row.seq,
    at: toTimestamp(row.at),
    actor: row.actor,
    entry_id: row.entry_id,
    task_id: entry?.task_id ?? null,
    agent: entry?.agent ?? null,
    code: textOf(data["code"]),
    message: textOf(data["reason"]) ?? "",
    commit,
    next: NEXT[name](row.entry_id ?? 0),
  }
}

/** One program for one event. Whatever becomes of it is a row of the log, and nobody's failure. */
const runHook = Effect.fn("operations.runHook")(function* (argv: Argv, event: HookEvent) {
  const queue = yield* QueueService
  const runner = yield* ProcessRunner
  const { env } = yield* Operator
  const { root } = yield* CurrentWorkspace
  const ended = yield* Effect.either(
    runner.run({
      argv,
      cwd: root,
      env: childEnv({ source: env, set: { HYPERION_EVENT: event.event } }),
      stdin: `${JSON.stringify(event)}\n`,
      timeoutMs: HOOK_TIMEOUT_MS,
      maxOutputBytes: MAX_OUTPUT_BYTES,
    }),
  )
  const result =
    ended._tag === "Left"
      ? { result: "not_started", detail: ended.left.detail }
      : {
          result: ended.right.timedOut ? "timeout" : ended.right.exitCode === 0 ? "ok" : "failed",
          exit_code: ended.right.exitCode,
          duration_ms: Math.round(ended.right.durationMs),
          stderr_tail: new TextDecoder().decode(ended.right.stderr).slice(-300),
        }
  yield* queue.transact((db, at) =>
    auditAppender(db, at).append({
      event: "hook_ran",
      actor: "hooks",
      subject: argv[0],
      data: { hook_event: event.event, seq: event.seq, argv, ...result },
    }),
  )
})

/** Claims and announces one event; false when there is none, or nobody wants to hear of it. */
const announceOne = Effect.fn("operations.announceOne")(function* (after: number) {
  const queue = yield* QueueService
  const now = yield* Clock.currentTimeMillis
  // Looked at first without the write lock: an idle queue is only read.
  const waiting = yield* queue.read((db) => nextAlert(db, after, now))
  if (waiting === null) return { seq: after, more: false }
  const { on_event: hooks } = (yield* currentBase()).policy.policy
  if (hooks.length === 0) return { seq: (yield* queue.head()).seq, more: false }
  const alert = yield* queue.transact((db, at) => claimAlert(db, after, at))
  if (alert === null) return { seq: waiting.row.seq, more: true }
  const event = yield* queue.read((db) => hookEvent(db, alert))
  for (const [program, ...args] of hooks) if (program !== undefined) yield* runHook([program, ...args], event)
  return { seq: alert.row.seq, more: true }
})

/**
 * Runs `work` while the policy's `on_event` programs hear, one after another and each for a bounded time, of what
 * happens in the queue from now on. They hold `work` up in nothing; what is left to tell at its end is told for a
 * while. Each event is announced once, by whichever worker comes first, and not again when that one dies.
 */
export const withHooks = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const queue = yield* QueueService
    const ended = yield* Deferred.make<void>()
    // Where the last worker stopped; without one, what is in the log already is no news.
    let position = yield* queue.read((db) => claimedAlerts(db) ?? auditHead(db).seq)
    const announcing = Effect.gen(function* () {
      for (;;) {
        const isLast = yield* Deferred.isDone(ended)
        const { seq, more } = yield* announceOne(position)
        position = seq
        if (more) continue
        if (isLast) return
        yield* Effect.race(Effect.sleep(LOOK_MS), Deferred.await(ended))
      }
    })
    // A policy that nobody trusts stops the worker, which says so; here it only means that nobody is told.
    const patient = Effect.retry(announcing, {
      while: () => Effect.map(Deferred.isDone(ended), (is) => !is),
      schedule: AGAIN,
    })
    const fiber = yield* Effect.forkScoped(Effect.ignore(patient))
    const value = yield* work
    yield* Deferred.succeed(ended, undefined)
    yield* Effect.timeoutOption(Fiber.await(fiber), FLUSH_MS)
    return value
  }).pipe(Effect.scoped)

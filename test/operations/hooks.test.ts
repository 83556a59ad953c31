import { describe, expect } from "bun:test"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import { AuditService } from "../../src/audit/AuditService.ts"
import { type HookEvent, withHooks } from "../../src/operations/events-hooks.ts"
import { freeze } from "../../src/operations/freeze.ts"
import { ProcessRunner, type RunOptions, SpawnFailed } from "../../src/platform/ProcessRunner.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import { withLayer } from "../support/effect.ts"
import { enqueued, landed, leased, settled } from "../support/queue.ts"
import { awaiting, desk } from "./support.ts"

const ENDED = {
  exitCode: 0,
  signal: null,
  timedOut: false,
  durationMs: 5,
  stdout: new Uint8Array(),
  stderr: new TextEncoder().encode("said"),
  stdoutTruncated: false,
  stderrTruncated: false,
}

/** What was started, and how each start goes. */
const calls: RunOptions[] = []
let answer: (options: RunOptions) => Effect.Effect<typeof ENDED, SpawnFailed> = () => Effect.succeed(ENDED)
const runner = Layer.succeed(ProcessRunner, {
  run: (options: RunOptions) =>
    Effect.suspend(() => {
      calls.push(options)
      return answer(options)
    }),
})

const bench = (on_event: string[][]) => {
  const it = withLayer(
    Layer.merge(
      desk({
        policy: { sandbox: "off", on_event },
        env: { API_TOKEN: "secret", BUN_OPTIONS: "--preload=x" },
      }),
      runner,
    ),
  )
  return (name: string, body: Parameters<typeof it.effect>[1]) =>
    it.effect(name, () => {
      calls.length = 0
      answer = () => Effect.succeed(ENDED)
      return Effect.suspend(body as () => Effect.Effect<void>)
    })
}

const heard = (): HookEvent[] => calls.map(({ stdin }) => JSON.parse(String(stdin)))
const logged = Effect.flatMap(QueueService, (queue) =>
  queue.read((db) =>
    db
      .query<{ subject: string; data: string }, []>(
        "SELECT subject, data FROM audit WHERE event = 'hook_ran' ORDER BY seq",
      )
      .all()
      .map(({ subject, data }) => ({ subject, ...JSON.parse(data) })),
  ),
)

describe("on_event", () => {
  const one = bench([["notify", "--loud"]])

  one("each event is told once, with all a person needs, in a clean environment, and logged", () =>
    Effect.gen(function* () {
      yield* landed({ taskId: "before" })
      yield* withHooks(
        Effect.gen(function* () {
          yield* landed({ taskId: "landed" })
          yield* enqueued({ taskId: "conflict" })
          yield* settled(yield* leased(), "conflict")
          yield* enqueued({ taskId: "failed" })
          yield* settled(yield* leased(), "failed")
          yield* awaiting({ taskId: "person" })
          yield* freeze("release")
        }),
      )
      expect(heard().map(({ event, task_id }) => `${event} ${task_id}`)).toEqual([
        "landed landed",
        "conflict conflict",
        "dead_letter failed",
        "approval_missing person",
        "freeze null",
      ])
      expect(heard()[2]).toMatchObject({
        schema_version: 1,
        entry_id: 4,
        agent: "stub",
        code: "guard_failed",
        next: "hyperion why 4",
      })
      expect(calls[0]!.argv).toEqual(["notify", "--loud"])
      expect(calls[0]!.env).toMatchObject({ HYPERION_EVENT: "landed", TERM: "dumb" })
      expect(Object.keys(calls[0]!.env)).not.toContain("API_TOKEN")
      expect(yield* logged).toHaveLength(5)
      expect((yield* logged)[0]).toMatchObject({ subject: "notify", hook_event: "landed", result: "ok" })
      expect((yield* Effect.flatMap(AuditService, (audit) => audit.verify())).fault).toBeNull()
    }),
  )

  one("one that fails, hangs or does not start is logged and stops nobody", () =>
    Effect.gen(function* () {
      const ends = [
        Effect.succeed({ ...ENDED, exitCode: 3 }),
        Effect.succeed({ ...ENDED, exitCode: null as never, timedOut: true }),
        new SpawnFailed({ command: "notify", reason: "not_found", detail: "no such program" }),
      ]
      answer = () => ends.shift() as ReturnType<typeof answer>
      const value = yield* withHooks(
        Effect.gen(function* () {
          for (const taskId of ["a", "b", "c"]) yield* landed({ taskId })
          return 7
        }),
      )
      expect(value).toBe(7)
      expect((yield* logged).map(({ result }) => result)).toEqual(["failed", "timeout", "not_started"])
      expect((yield* logged)[0]).toMatchObject({ exit_code: 3, stderr_tail: "said" })
    }),
  )

  one("work goes on while a hook runs; what is left is told at the end, for a bounded time", () =>
    Effect.gen(function* () {
      const started = yield* Deferred.make<void>()
      answer = () => Effect.zipRight(Deferred.succeed(started, undefined), Effect.never)
      const fiber = yield* Effect.fork(
        withHooks(
          Effect.gen(function* () {
            yield* landed({ taskId: "a" })
            yield* Deferred.await(started)
            yield* landed({ taskId: "b" })
          }),
        ),
      )
      yield* TestClock.adjust(1_000)
      yield* Deferred.await(started)
      yield* TestClock.adjust(15_000)
      yield* Fiber.join(fiber)
      expect(calls).toHaveLength(1)
    }),
  )

  one("two workers announce each event once, and a later one nothing again", () =>
    Effect.gen(function* () {
      yield* withHooks(
        withHooks(
          Effect.gen(function* () {
            for (let n = 0; n < 10; n++) yield* landed({ taskId: `task-${n}` })
          }),
        ),
      )
      yield* withHooks(Effect.void)
      const told = heard().map(({ task_id }) => task_id)
      expect(told).toHaveLength(10)
      expect(new Set(told).size).toBe(10)
    }),
  )

  one("what happened while no worker ran is announced by the next one", () =>
    Effect.gen(function* () {
      yield* withHooks(landed({ taskId: "first" }))
      yield* freeze("release")
      yield* withHooks(Effect.void)
      expect(heard().map(({ event }) => event)).toEqual(["landed", "freeze"])
    }),
  )

  one("a worker that begins after a long while does not announce what is old", () =>
    Effect.gen(function* () {
      yield* withHooks(landed({ taskId: "first" }))
      yield* landed({ taskId: "unheard" })
      yield* TestClock.adjust(3_600_001)
      yield* withHooks(Effect.void)
      expect(heard().map(({ task_id }) => task_id)).toEqual(["first"])
    }),
  )

  const none = bench([])
  none("without hooks nothing is started and nothing is written", () =>
    Effect.gen(function* () {
      const queue = yield* QueueService
      yield* withHooks(landed())
      expect(calls).toEqual([])
      expect(yield* logged).toEqual([])
      const keys = yield* queue.read((db) => db.query<{ key: string }, []>("SELECT key FROM meta").all())
      expect(keys.map(({ key }) => key)).not.toContain("alerts_seq")
    }),
  )
})

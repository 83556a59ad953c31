import { describe, expect, test } from "bun:test"
import { existsSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as v from "valibot"
import { CastPayload, castChecksum, castIdOf, makeCast } from "../../src/domain/cast.ts"
import type { ValidatedChangeRequest } from "../../src/domain/change-request.ts"
import { Database } from "../../src/platform/Database.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import { it, providing } from "../support/effect.ts"
import { ENQUEUE, itemOf, LEASE_MS, settlement } from "../support/queue.ts"
import { tempFolder } from "../support/temp.ts"

/** Casts of every kind of change, in the order in which they build on each other; `make-casts.ts` made them. */
const LINES = readFileSync(join(import.meta.dir, "../fixtures/casts.jsonl"), "utf8")
  .trim()
  .split("\n")
const CASTS = LINES.map((line) => v.parse(CastPayload, JSON.parse(line)))

describe("casts of version 1", () => {
  test("are read as they were written, and hold their checksums", () => {
    expect(CASTS.map((cast) => JSON.stringify(cast))).toEqual(LINES)
    for (const cast of CASTS) {
      expect(castChecksum(cast)).toBe(cast.checksum)
      expect(castIdOf(cast.checksum)).toBe(cast.cast_id)
    }
  })
})

/** The n-th submission of all of them: other tasks, else the same. */
const again = (n: number, at: number) =>
  CASTS.map(({ change_request: change, request_id: requestId, ttl_seconds: ttlSeconds, ...cast }) =>
    itemOf(
      makeCast(
        {
          ...change,
          task_id: `${change.task_id}-${n}`,
          ...(change.depends_on && { depends_on: change.depends_on.map((task) => `${task}-${n}`) }),
        } as ValidatedChangeRequest,
        { requestId, at, ttlSeconds, auditHead: { hash: cast.audit_token, seq: cast.wal_anchor } },
      ),
    ),
  )

const script = join(import.meta.dir, "poll-process.ts")
const polling = (file: string, how: "short" | "held") =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const child = Bun.spawn([process.execPath, script, file, how], { stdin: "pipe", stdout: "pipe" })
      const reader = child.stdout.getReader()
      await reader.read()
      return { child, reader }
    }),
    ({ child }) => Effect.sync(() => child.kill()),
  )

const ROUNDS = 60
const sizeOf = (file: string): number => (existsSync(file) ? statSync(file).size : 0)

/** Replays all casts again and again while somebody looks; the largest size of the WAL, how often was looked, and what is left. */
const replayed = (how: "short" | "held") =>
  Effect.gen(function* () {
    const file = join(yield* tempFolder, "hyperion.db")
    const wal = `${file}-wal`
    let largest = 0
    const looks = yield* Effect.scoped(
      Effect.gen(function* () {
        const context = yield* Layer.build(
          Layer.provideMerge(QueueService.layer, Database.layer({ file, create: true })),
        )
        const queue = yield* QueueService.pipe(providing(context))
        const { child, reader } = yield* polling(file, how)
        for (let n = 0; n < ROUNDS; n++) {
          const outcomes = yield* queue.enqueue(again(n, yield* Clock.currentTimeMillis), ENQUEUE)
          expect(outcomes.filter(({ outcome }) => outcome !== "queued")).toEqual([])
          const leases = yield* queue.lease("worker-1", LEASE_MS, CASTS.length)
          expect(leases).toHaveLength(CASTS.length)
          for (const to of ["committing", "applied"] as const)
            for (const lease of leases)
              expect(yield* queue.settle([settlement(lease, to)])).toEqual({ lost: [] })
          largest = Math.max(largest, sizeOf(wal))
        }
        child.stdin.end()
        const { value } = yield* Effect.promise(() => reader.read())
        yield* Effect.promise(() => child.exited)
        return Number(Buffer.from(value ?? []).toString())
      }),
    )
    return { largest, looks, left: sizeOf(wal) }
  })

const MiB = 1024 * 1024

describe("the WAL while casts are replayed", () => {
  it.live(
    "stays below 24 MiB under a reader that polls, and is gone in the end",
    () =>
      Effect.gen(function* () {
        const { largest, looks, left } = yield* replayed("short")
        expect(looks).toBeGreaterThan(ROUNDS)
        expect(largest).toBeGreaterThan(0)
        expect(largest).toBeLessThan(24 * MiB)
        expect(left).toBe(0)
      }),
    60_000,
  )

  it.live(
    "would not, under a reader that does not let go: why nobody may keep a read open",
    () =>
      Effect.gen(function* () {
        const { largest, left } = yield* replayed("held")
        expect(largest).toBeGreaterThan(24 * MiB)
        expect(left).toBe(0)
      }),
    60_000,
  )
})

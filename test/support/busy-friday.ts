import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { RequestStore } from "../../src/intake/RequestStore.ts"
import { holdEntry } from "../../src/queue/hold.ts"
import type { Lease } from "../../src/queue/lease.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import type { Settlement } from "../../src/queue/settle.ts"
import { aBody } from "../operations/support.ts"
import { aFailureReport } from "./builders.ts"
import { anItem, aVerification, ENQUEUE, type ItemOptions, LEASE_MS, settlement } from "./queue.ts"

const MINUTE = 60_000
const AGENTS = ["copilot", "claude", "codex", "stub"] as const
const WORK = [
  "checkout-tax-rounding",
  "login-form-focus",
  "search-index",
  "invoice-pdf-umlauts",
  "rate-limit-headers",
  "cart-badge",
  "session-expiry-banner-after-a-long-weekend",
  "docs-install",
] as const

/** How long the fixture's day takes, in ms of the test clock. */
export const BUSY_MS = 143 * MINUTE
/** A worker of this process is never at work here; one of the process of the test is, once it holds its lock. */
export const DEAD_WORKER = "worker-999999999"

export interface BusyFriday {
  /** Undecided entries, by what stops them. */
  readonly approvals: readonly number[]
  readonly held: readonly number[]
  readonly blocked: readonly number[]
  /** In the hands of `DEAD_WORKER`, whose leases have not run out yet; the second one was landing. */
  readonly abandoned: readonly number[]
  readonly conflicts: readonly number[]
  readonly deadLetters: readonly number[]
  readonly waiting: readonly number[]
}

/**
 * A Friday afternoon: twenty landings behind it, sixty entries that are not decided in every state, and beside them
 * conflicts, dead letters and requests that wait for an answer. `worker` is the one at work. Needs a test clock.
 */
export const busyFriday = (worker = "worker-1") =>
  Effect.gen(function* () {
    const queue = yield* QueueService
    let serial = 0
    const next = (options: ItemOptions = {}): ItemOptions => {
      const n = serial++
      const name = WORK[n % WORK.length]!
      return {
        taskId: `${name}-${n + 1}`,
        requestId: name,
        agent: AGENTS[n % AGENTS.length]!,
        path: `src/${name}/part-${n + 1}.ts`,
        intent: `${name.replaceAll("-", " ")}, part ${n + 1}`,
        priority: 3 + (n % 5),
        ...options,
      }
    }
    const put = Effect.fn("busyFriday.put")(function* (options: ItemOptions = {}) {
      const [outcome] = yield* queue.enqueue(
        [anItem({ at: yield* Clock.currentTimeMillis, ...next(options) })],
        ENQUEUE,
      )
      if (outcome?.outcome !== "queued") throw new Error(`not queued: ${JSON.stringify(outcome)}`)
      return outcome.entryId
    })
    const take = Effect.fn("busyFriday.take")(function* (id: number, owner = worker) {
      const [lease] = yield* queue.lease(owner, LEASE_MS, 1, id)
      if (!lease) throw new Error(`entry ${id} cannot be leased`)
      return lease
    })
    const end = (lease: Lease, to: Settlement["to"]) => queue.settle([settlement(lease, to)])
    const wait = (ms: number) => TestClock.adjust(ms)
    /** One entry taken through a worker for some minutes. */
    const through = Effect.fn("busyFriday.through")(function* (
      settle: (lease: Lease) => Settlement,
      minutes: number,
    ) {
      const id = yield* put()
      const lease = yield* take(id)
      yield* wait(minutes * MINUTE)
      yield* queue.settle([settle(lease)])
      return id
    })
    const failing = (
      reasonClass: "guard" | "validation" | "apply" | "infra",
      message: string,
      code: string,
    ) =>
      through((lease) => ({ to: "failed", lease, reasonClass, report: aFailureReport({ code, message }) }), 2)
    const verification = (path: string) =>
      aVerification({
        body: aBody([
          { path, before: null, after: { mode: "100644", bytes: new TextEncoder().encode("hello\n") } },
        ]),
      })

    for (let n = 0; n < 20; n++) {
      const lease = yield* take(yield* put())
      yield* wait((3 + (n % 5)) * MINUTE)
      yield* end(lease, "committing")
      yield* end(lease, "applied")
    }
    const conflicts: number[] = []
    for (let n = 0; n < 5; n++)
      conflicts.push(
        yield* through(
          (lease) => ({
            to: "conflict",
            lease,
            report: aFailureReport({
              code: "conflict",
              message: `Line ${20 + n} of ${lease.cast.change_request.changes[0]!.path} was changed meanwhile in another way.`,
            }),
          }),
          1,
        ),
      )
    const deadLetters = [
      yield* failing("guard", "guard unit failed with exit code 1", "guard_failed"),
      yield* failing("guard", "guard types failed with exit code 2", "guard_failed"),
      yield* failing("guard", "guard unit failed with exit code 1", "guard_failed"),
      yield* failing("apply", "Hunk 2 does not match src/cart-badge/a.ts: line 41 differs.", "corrupt_patch"),
      yield* failing("validation", "the path \u202e../etc is absolute", "path_absolute"),
      yield* failing("infra", "bubblewrap is not installed", "sandbox_unavailable"),
      yield* failing(
        "guard",
        `guard e2e failed with exit code 1 ${"after a long story ".repeat(20)}`,
        "guard_failed",
      ),
    ]
    const requests = yield* RequestStore
    for (const name of ["faster", "nicer", "make-the-start-page-better"])
      yield* requests.put(
        {
          request_id: name,
          summary: "x",
          requested_changes: [{ path: "a", summary: "b" }],
          priority: 5,
        } as never,
        "needs_clarification",
        [],
        "ada",
      )

    const approvals: number[] = []
    for (let n = 0; n < 17; n++)
      approvals.push(
        yield* through(
          (lease) => ({
            to: "awaiting_approval",
            lease,
            verification: verification(lease.cast.change_request.changes[0]!.path),
            reason: { code: "approval_missing", text: "1 more approval (tty)" },
          }),
          1,
        ),
      )
    const blocked: number[] = []
    for (let n = 0; n < 6; n++)
      blocked.push(
        yield* through(
          (lease) => ({
            to: "verified",
            lease,
            verification: verification(lease.cast.change_request.changes[0]!.path),
            reason: {
              code: n < 4 ? "blocked_dirty" : "blocked_operation_in_progress",
              text:
                n < 4
                  ? `${lease.cast.change_request.changes[0]!.path} has changes that are not committed`
                  : "a rebase is in progress",
            },
          }),
          1,
        ),
      )
    const later = (yield* Clock.currentTimeMillis) + 12 * MINUTE
    for (let n = 0; n < 4; n++)
      yield* through(
        (lease) => ({
          to: "scheduled",
          lease,
          runAt: later,
          charged: true,
          reason: { code: "guard_infra", text: "guard e2e could not run: connection refused" },
        }),
        0,
      )
    const held: number[] = []
    for (let n = 0; n < 3; n++) {
      const id = yield* put()
      held.push(id)
      const hold = { actor: "ada", reason: "not before the release" }
      yield* queue.transact((db, at) => holdEntry(db, id, hold, at))
    }
    const waiting: number[] = []
    for (let n = 0; n < 20; n++) waiting.push(yield* put({ taskId: `first-of-many-${n}` }))
    for (let n = 0; n < 6; n++) yield* put({ dependsOn: [`first-of-many-${n}`] })
    for (let n = 0; n < 2; n++) yield* take(yield* put())
    const abandoned = [yield* put(), yield* put()]
    for (const id of abandoned) {
      const lease = yield* take(id, DEAD_WORKER)
      if (id === abandoned[1]) yield* end(lease, "committing")
    }
    yield* wait(MINUTE)
    return { approvals, held, blocked, abandoned, conflicts, deadLetters, waiting } satisfies BusyFriday
  })

/**
 * A process of a history: asks the queue this and that by a seed, on a clock of its own, and writes each call before it
 * makes it and each answer when it has it. Looks at everything first and last: what a killed one did is known early then.
 */
import { dlopen, FFIType } from "bun:ffi"
import { writeSync } from "node:fs"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Database } from "../../src/platform/Database.ts"
import type { Lease } from "../../src/queue/lease.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import type { EntryRow } from "../../src/queue/queue.sql.ts"
import { aCast } from "../support/builders.ts"
import { chanceFrom } from "../support/chance.ts"
import { providing } from "../support/effect.ts"
import { aWithdrawal, DAY, ENQUEUE, itemOf, settlement } from "../support/queue.ts"
import { type Answer, type Call, lookedAt, type Outcome, type ProcessOptions } from "./histories.ts"
import { knownBad } from "./known-bad.ts"
import type { Claim, Offer } from "./model.ts"

const options: ProcessOptions = JSON.parse(process.argv[2]!)
const say = (line: object) => writeSync(1, `${JSON.stringify(line)}\n`)
/** Of the machine's own clock, which all processes share and nobody sets; `process.hrtime` starts with the process. */
const libc = dlopen("libc.so.6", {
  clock_gettime: { args: [FFIType.i32, FFIType.ptr], returns: FFIType.i32 },
})
const CLOCK_MONOTONIC = 1
const timespec = new BigInt64Array(2)
const nanoseconds = () => {
  libc.symbols.clock_gettime(CLOCK_MONOTONIC, timespec)
  return Number(timespec[0]! * 1_000_000_000n + timespec[1]!)
}

const seeded = chanceFrom(options.seed)
let drawn = 0
const chance = (): number => seeded(drawn++)
const pick = <A>(of: readonly A[]): A | undefined => of[Math.floor(chance() * of.length)]

/** Read once for each call, so that the call's own time is known to the history. */
let at = 0
const readClock = (): void => {
  at = Date.now() + options.skewMs
}
const clock = Object.assign(Clock.make(), {
  currentTimeMillis: Effect.sync(() => at),
  unsafeCurrentTimeMillis: () => at,
})

const TTL: number = 7 * DAY
const TASKS = 24
const LEASE_MS = 25
const anOffer = (): Offer => ({
  task: `t${Math.floor(chance() * TASKS)}`,
  content: chance() < 0.8 ? 0 : 1,
  agent: options.name,
  priority: chance() < 0.8 ? 5 : 7,
  dependsOn: [],
  supersede: chance() < 0.3,
  maxAttempts: 2,
  ttl: TTL,
})
const OUTCOMES = ["committing", "committing", "committing", "scheduled", "pending", "verified", "failed"]

const claimOf = ({ entry, worker, token }: Lease): Claim => ({ id: entry.id, worker, token })
const itemFor = (offer: Offer) =>
  itemOf(aCast({ taskId: offer.task, path: `${offer.task}${offer.content}`, agent: offer.agent, at }), offer)

const work = Effect.gen(function* () {
  const queue = knownBad(yield* QueueService, options.variant)
  const worker = options.name
  let leases: readonly Lease[] = []
  let n = 0

  const ask = <E>(call: Call, answering: Effect.Effect<Answer, E>) =>
    Effect.gen(function* () {
      const from = nanoseconds()
      say({ n: ++n, from, call })
      const answer = yield* answering
      say({ n, to: nanoseconds(), answer })
    })
  const settlements = (outcomes: readonly Outcome[]) =>
    outcomes.map(({ claim, to, charged, runAt }) => {
      const lease = leases.find(({ entry, token }) => entry.id === claim.id && token === claim.token)!
      return settlement(lease, to as never, { charged, runAt })
    })
  const outcome = (lease: Lease, to: string): Outcome => ({
    claim: claimOf(lease),
    to,
    charged: chance() < 0.7,
    runAt: at + Math.floor(chance() * 40),
  })
  const isCommitting = new Set<Lease>()
  /** One or two of the leases, also such as have been lost long ago: that is the zombie. */
  const outcomes = (): readonly Outcome[] => {
    const recent = leases.slice(-6)
    const chosen = new Set([pick(recent), chance() < 0.3 ? pick(recent) : undefined])
    return [...chosen].flatMap((lease) => {
      if (!lease) return []
      if (isCommitting.has(lease)) return [outcome(lease, chance() < 0.8 ? "applied" : "undone")]
      const to = pick(OUTCOMES)!
      if (to === "committing") isCommitting.add(lease)
      return [outcome(lease, to)]
    })
  }
  const keep = (got: readonly Lease[]) => {
    leases = [...leases, ...got].slice(-20)
    return got.map(claimOf)
  }
  const anyId = () => 1 + Math.floor(chance() * TASKS)

  const look = () => {
    readClock()
    return ask(
      { op: "look", at },
      queue.read((db) =>
        db
          .query<EntryRow, []>("SELECT * FROM entry ORDER BY id")
          .all()
          .map((row) =>
            lookedAt({ ...row, owner: row.lease_owner, token: row.lease_token, until: row.leased_until }),
          ),
      ),
    )
  }

  yield* look()
  for (let left = options.calls; left > 0; left--) {
    readClock()
    const dice = chance()
    const leaseMs = LEASE_MS
    if (dice < 0.25) {
      const offers = Array.from({ length: 1 + Math.floor(chance() * 2) }, anOffer)
      yield* ask(
        { op: "enqueue", offers, at },
        Effect.map(queue.enqueue(offers.map(itemFor), ENQUEUE), (all) =>
          all.map((one) =>
            one.outcome === "rejected" ? one.violation.code : `${one.outcome} ${one.entryId}`,
          ),
        ),
      )
    } else if (dice < 0.45) {
      const limit = 1 + Math.floor(chance() * 3)
      yield* ask(
        { op: "lease", worker, limit, leaseMs, at },
        Effect.map(queue.lease(worker, leaseMs, limit), keep),
      )
    } else if (dice < 0.65) {
      const chosen = outcomes()
      yield* ask(
        { op: "settle", outcomes: chosen, at },
        Effect.map(queue.settle(settlements(chosen)), ({ lost }) => lost),
      )
    } else if (dice < 0.73) {
      const chosen = outcomes()
      yield* ask(
        { op: "fused", outcomes: chosen, worker, leaseMs, at },
        Effect.map(
          queue.settleAndLease(settlements(chosen), { worker, leaseMs, limit: 2 }),
          ({ lost, leases: got }) => ({ lost, leases: keep(got) }),
        ),
      )
    } else if (dice < 0.79) {
      const lease = pick(leases.slice(-4))
      if (lease)
        yield* ask(
          { op: "renew", claim: claimOf(lease), leaseMs, at },
          Effect.map(queue.renew([lease], leaseMs), (lost) => lost.length === 0),
        )
    } else if (dice < 0.9) yield* ask({ op: "maintain", at }, queue.maintain())
    else if (dice < 0.94) {
      const id = anyId()
      yield* ask(
        { op: "claim", id, worker, leaseMs, at },
        Effect.map(queue.claimProven(id, worker, leaseMs), (lease) => {
          if (!lease) return null
          isCommitting.add(lease)
          return keep([lease])[0]
        }),
      )
    } else if (dice < 0.96) {
      const id = anyId()
      yield* ask(
        { op: "withdraw", id, at },
        Effect.map(queue.withdraw(id, aWithdrawal()), (row) => row !== null),
      )
    } else {
      const id = anyId()
      yield* ask(
        { op: "requeue", id, at },
        Effect.map(queue.requeue(id, "again", worker), (row) => row !== null),
      )
    }
  }
  yield* look()
})

const layer = Layer.provideMerge(QueueService.layer, Database.layer({ file: options.file, create: true }))
await Effect.runPromise(
  Effect.flatMap(Layer.toRuntime(layer), (runtime) => work.pipe(providing(runtime))).pipe(
    Effect.scoped,
    Effect.withClock(clock),
  ),
)

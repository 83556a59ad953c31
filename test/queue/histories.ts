import { join } from "node:path"
import { chanceFrom } from "../support/chance.ts"
import type { Operation, Specification } from "../support/linearizable.ts"
import { ENQUEUE } from "../support/queue.ts"
import { type Claim, Model, type Offer } from "./model.ts"

/** What a process of a history asks of the queue. `at`: what its clock said. */
export type Call =
  | { readonly op: "enqueue"; readonly offers: readonly Offer[]; readonly at: number }
  | {
      readonly op: "lease"
      readonly worker: string
      readonly limit: number
      readonly leaseMs: number
      readonly at: number
    }
  | { readonly op: "renew"; readonly claim: Claim; readonly leaseMs: number; readonly at: number }
  | { readonly op: "settle"; readonly outcomes: readonly Outcome[]; readonly at: number }
  | {
      readonly op: "fused"
      readonly outcomes: readonly Outcome[]
      readonly worker: string
      readonly leaseMs: number
      readonly at: number
    }
  | { readonly op: "maintain"; readonly at: number }
  | {
      readonly op: "claim"
      readonly id: number
      readonly worker: string
      readonly leaseMs: number
      readonly at: number
    }
  | { readonly op: "withdraw" | "requeue"; readonly id: number; readonly at: number }
  | { readonly op: "look"; readonly at: number }

export interface Outcome {
  readonly claim: Claim
  readonly to: string
  readonly charged: boolean
  readonly runAt: number
}

/** As JSON: both sides write it in the same order of keys. */
export type Answer = unknown

/** What `look` answers of every entry. */
export const lookedAt = (entry: {
  readonly state: string
  readonly attempts: number
  readonly owner: string | null
  readonly token: number
  readonly until: number | null
}): readonly unknown[] => [entry.state, entry.attempts, entry.owner, entry.token, entry.until]

/** The list in memory, asked the same. It is changed: give it a copy. */
const asked = (model: Model, call: Call): Answer => {
  const { at } = call
  const isThere = (id: number) => id <= model.entries.length
  const lost = (outcomes: readonly Outcome[]) =>
    outcomes
      .filter(({ claim, to, charged, runAt }) => !model.settle(claim, to, charged, runAt, at))
      .map(({ claim }) => claim.id)
  switch (call.op) {
    case "enqueue":
      return call.offers.map((offer) => model.enqueue(offer, at))
    case "lease":
      return model.lease(call.worker, call.limit, call.leaseMs, at)
    case "renew":
      return model.renew(call.claim, call.leaseMs, at)
    case "settle":
      return lost(call.outcomes)
    case "fused":
      return { lost: lost(call.outcomes), leases: model.lease(call.worker, 2, call.leaseMs, at) }
    case "maintain": {
      const before = model.key()
      model.maintain(at)
      return model.key() !== before
    }
    case "claim":
      return isThere(call.id) ? model.claimProven(call.id, call.worker, call.leaseMs, at) : null
    case "withdraw":
      return isThere(call.id) && model.withdraw(call.id, at)
    case "requeue":
      return isThere(call.id) && model.requeue(call.id, at)
    case "look":
      return model.entries.map(lookedAt)
  }
}

export const queueSpecification: Specification<Model, Call, Answer> = {
  initial: new Model(ENQUEUE.dedupWindowMs),
  step: (state, call, answer) => {
    const after = state.copy()
    const given = asked(after, call)
    return answer === undefined || JSON.stringify(given) === JSON.stringify(answer) ? after : null
  },
  key: (state) => state.key(),
}

// ── recording ────────────────────────────────────────────────────────────────────────────────────────────────────

/** A process writes the first line before it asks and the second when it has the answer. Times in ns, monotonic. */
export type Line =
  | { readonly n: number; readonly from: number; readonly call: Call }
  | { readonly n: number; readonly to: number; readonly answer: Answer }

export interface ProcessOptions {
  readonly file: string
  readonly name: string
  readonly seed: number
  /** Calls until it ends by itself. */
  readonly calls: number
  /** How far its clock is ahead of the others', in ms. */
  readonly skewMs: number
  readonly variant: string
}

const script = join(import.meta.dir, "history-process.ts")

/** What lies between the lines of one process; a line that a kill cut short says nothing. */
export const operationsOf = (process: string, text: string): Operation<Call, Answer>[] => {
  const lines = text.split("\n").slice(0, -1)
  const calls = new Map<number, Operation<Call, Answer>>()
  for (const line of lines) {
    const said: Line = JSON.parse(line)
    if ("call" in said)
      calls.set(said.n, {
        process,
        call: said.call,
        answer: undefined,
        from: said.from,
        to: Number.POSITIVE_INFINITY,
      })
    else calls.set(said.n, { ...calls.get(said.n)!, answer: said.answer, to: said.to })
  }
  return [...calls.values()]
}

/** Runs one process; with `killAfter` it is killed at some moment after it has written so many lines. */
const runProcess = async (options: ProcessOptions, killAfter: number | null) => {
  const child = Bun.spawn([process.execPath, script, JSON.stringify(options)], {
    stdout: "pipe",
    stderr: "pipe",
  })
  const stderr = new Response(child.stderr).text()
  const decoder = new TextDecoder()
  let text = ""
  let lines = 0
  for await (const chunk of child.stdout) {
    const more = decoder.decode(chunk, { stream: true })
    text += more
    lines += more.split("\n").length - 1
    if (killAfter !== null && lines >= killAfter) child.kill("SIGKILL")
  }
  const exitCode = await child.exited
  if (exitCode !== 0 && child.signalCode !== "SIGKILL")
    throw new Error(`${options.name} ended with ${exitCode}: ${await stderr}`)
  return { operations: operationsOf(options.name, text), isKilled: child.signalCode === "SIGKILL" }
}

export interface RecordOptions {
  readonly file: string
  readonly seed: number
  readonly processes: number
  /** How often each of them is killed, and starts anew, before it may end. */
  readonly kills: number
  readonly calls: number
  readonly variant?: string
}

export interface Recorded {
  readonly history: readonly Operation<Call, Answer>[]
  readonly kills: number
}

/** Real processes on one database, killed and started again; the last one looks at what came of it all. */
export const record = async (options: RecordOptions): Promise<Recorded> => {
  const { file, seed, processes, calls, variant = "none" } = options
  const chance = chanceFrom(seed)
  const lives = await Promise.all(
    Array.from({ length: processes }, async (_, at) => {
      const ran: Awaited<ReturnType<typeof runProcess>>[] = []
      for (let life = 0; life <= options.kills; life++) {
        const isLast = life === options.kills
        const settings: ProcessOptions = {
          file,
          name: `p${at}.${life}`,
          seed: seed * 1_000 + at * 10 + life,
          calls,
          skewMs: Math.round((chance(at, life, 1) - 0.5) * 60),
          variant,
        }
        ran.push(await runProcess(settings, isLast ? null : Math.ceil(chance(at, life) * 1.5 * calls)))
      }
      return ran
    }),
  )
  const look = await runProcess({ file, name: "last", seed, calls: 0, skewMs: 0, variant: "none" }, null)
  const all = [...lives.flat(), look]
  return {
    history: all.flatMap(({ operations }) => operations),
    kills: all.filter(({ isKilled }) => isKilled).length,
  }
}

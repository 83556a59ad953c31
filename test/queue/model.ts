import { type EntryState, isLive, STATES } from "../../src/domain/entry.ts"
import { AGING_MS, FAIR_SLICE_MS } from "../../src/queue/enqueue.ts"

/** What the model knows of an entry: the columns a step can change, and what decides about it. */
export interface ModelEntry {
  readonly id: number
  readonly task: string
  readonly content: number
  readonly rank: number
  readonly maxAttempts: number
  readonly ttl: number
  state: EntryState
  attempts: number
  owner: string | null
  token: number
  until: number | null
  runAt: number | null
  expires: number
  updated: number
  dependencies: Set<number>
}

export interface Offer {
  readonly task: string
  readonly content: number
  readonly agent: string
  readonly priority: number
  readonly dependsOn: readonly string[]
  readonly supersede: boolean
  readonly maxAttempts: number
  readonly ttl: number
}

export interface Claim {
  readonly id: number
  readonly worker: string
  readonly token: number
}

/**
 * The queue as its specification tells it, in plain loops over a list: slow, obvious, and written without looking at
 * the SQL. Every method answers what the queue must answer.
 */
export class Model {
  readonly entries: ModelEntry[] = []
  readonly window: number
  private readonly clocks = new Map<string, { time: number; last: number }>()

  constructor(window: number) {
    this.window = window
  }

  /** The same queue once more, to be tried on. */
  copy(): Model {
    const model = new Model(this.window)
    for (const entry of this.entries)
      model.entries.push({ ...entry, dependencies: new Set(entry.dependencies) })
    for (const [key, clock] of this.clocks) model.clocks.set(key, { ...clock })
    return model
  }

  /** Equal for queues that answer alike from here on. */
  key(): string {
    const entries = this.entries.map((entry) => [
      entry.task,
      entry.content,
      entry.state,
      entry.attempts,
      entry.owner,
      entry.token,
      entry.until,
      entry.runAt,
      entry.rank,
      entry.expires,
      entry.updated,
      [...entry.dependencies],
    ])
    return JSON.stringify([entries, [...this.clocks]])
  }

  private byId(id: number): ModelEntry {
    return this.entries[id - 1]!
  }
  private ofTask(task: string): ModelEntry[] {
    return this.entries.filter((entry) => entry.task === task).reverse()
  }
  blockers(entry: ModelEntry): number {
    return [...entry.dependencies].filter((id) => this.byId(id).state !== "applied").length
  }
  private leave(entry: ModelEntry, state: EntryState, now: number): void {
    Object.assign(entry, { state, owner: null, until: null, runAt: null, updated: now })
  }

  enqueue(offer: Offer, now: number): string {
    const earlier = this.ofTask(offer.task)
    const same = earlier.filter((entry) => entry.content === offer.content)
    const standing = same.find(
      (entry) => isLive(entry.state) || (entry.state === "applied" && entry.updated + this.window > now),
    )
    if (standing) return `duplicate ${standing.id}`
    if (!offer.supersede && earlier.some((e) => e.state === "applied" && e.content !== offer.content))
      return "task_already_applied"
    if (earlier.some((entry) => entry.state === "committing")) return "landing_in_progress"
    const dependencies: ModelEntry[] = []
    for (const task of new Set(offer.dependsOn)) {
      const rows = this.ofTask(task)
      const on = rows.find((entry) => isLive(entry.state) || entry.state === "applied") ?? rows[0]
      if (task === offer.task || (on && this.waitsFor(on, offer.task))) return "dependency_cycle"
      if (!on) return "unknown_dependency"
      dependencies.push(on)
    }
    for (const entry of earlier) if (isLive(entry.state)) this.leave(entry, "cancelled", now)
    const key = `${offer.agent} ${offer.priority}`
    const clock = this.clocks.get(key)
    const waiting = clock && ["pending", "scheduled"].includes(this.byId(clock.last).state)
    const start = waiting ? Math.max(now, clock.time) : now
    const id = this.entries.length + 1
    this.clocks.set(key, { time: start + FAIR_SLICE_MS, last: id })
    this.entries.push({
      id,
      task: offer.task,
      content: offer.content,
      rank: start - offer.priority * AGING_MS,
      maxAttempts: offer.maxAttempts,
      ttl: offer.ttl,
      state: "pending",
      attempts: 0,
      owner: null,
      token: 0,
      until: null,
      runAt: null,
      expires: now + offer.ttl,
      updated: now,
      dependencies: new Set(dependencies.map((entry) => entry.id)),
    })
    for (const old of earlier)
      if (old.state !== "applied")
        for (const entry of this.entries) if (entry.dependencies.delete(old.id)) entry.dependencies.add(id)
    return `queued ${id}`
  }

  private waitsFor(entry: ModelEntry, task: string, seen = new Set<number>()): boolean {
    if (seen.has(entry.id) || entry.state === "applied") return false
    seen.add(entry.id)
    if (entry.task === task) return true
    return [...entry.dependencies].some((id) => this.waitsFor(this.byId(id), task, seen))
  }

  lease(worker: string, limit: number, leaseMs: number, now: number): Claim[] {
    for (;;) {
      const order = (a: ModelEntry, b: ModelEntry) => a.rank - b.rank || a.id - b.id
      const pending = this.entries.filter((entry) => entry.state === "pending").sort(order)
      const chosen = pending.filter((entry) => this.blockers(entry) === 0).slice(0, limit)
      for (let i = 0; i < chosen.length; i++)
        for (const entry of pending)
          if (
            chosen.length < limit &&
            !chosen.includes(entry) &&
            entry.dependencies.has(chosen[i]!.id) &&
            [...entry.dependencies].every(
              (id) => this.byId(id).state === "applied" || chosen.includes(this.byId(id)),
            )
          )
            chosen.push(entry)
      const out = new Set<number>()
      const claims: Claim[] = []
      let dropped = false
      for (const entry of chosen) {
        if ([...entry.dependencies].some((id) => out.has(id))) out.add(entry.id)
        else if (entry.expires <= now) {
          this.leave(entry, "failed", now)
          out.add(entry.id)
          dropped = true
        } else {
          Object.assign(entry, { state: "in_progress", owner: worker, until: now + leaseMs, updated: now })
          entry.attempts++
          entry.token++
          claims.push({ id: entry.id, worker, token: entry.token })
        }
      }
      if (claims.length > 0 || !dropped) return claims
    }
  }

  private held(claim: Claim): ModelEntry | null {
    const entry = this.byId(claim.id)
    return entry.owner === claim.worker && entry.token === claim.token ? entry : null
  }

  renew(claim: Claim, leaseMs: number, now: number): boolean {
    const entry = this.held(claim)
    if (entry) entry.until = now + leaseMs
    return entry !== null
  }

  /** Whether the outcome was written. */
  settle(claim: Claim, to: string, charged: boolean, runAt: number, now: number): boolean {
    const entry = this.held(claim)
    if (!entry) return false
    const landing = to === "applied" || to === "undone"
    if (
      entry.state !== (landing ? "committing" : "in_progress") &&
      !(entry.state === "committing" && to === "conflict")
    )
      return false
    switch (to) {
      case "committing":
        if (entry.expires <= now) {
          this.leave(entry, "failed", now)
          return false
        }
        if ([...entry.dependencies].some((id) => !["committing", "applied"].includes(this.byId(id).state))) {
          this.leave(entry, "pending", now)
          entry.attempts--
          return false
        }
        entry.state = "committing"
        entry.updated = now
        return true
      case "undone":
        this.leave(entry, "verified", now)
        return true
      case "pending":
        entry.attempts--
        this.leave(entry, "pending", now)
        return true
      case "scheduled":
        if (charged && entry.attempts >= entry.maxAttempts) this.leave(entry, "failed", now)
        else {
          this.leave(entry, "scheduled", now)
          entry.runAt = runAt
          if (!charged) entry.attempts--
        }
        return true
      default:
        this.leave(entry, to as EntryState, now)
        return true
    }
  }

  maintain(now: number): void {
    for (const entry of this.entries) {
      if (entry.state === "in_progress" && entry.until! < now)
        this.leave(entry, entry.attempts >= entry.maxAttempts ? "failed" : "pending", now)
      if (entry.state === "scheduled" && entry.runAt! <= now) this.leave(entry, "pending", now)
      if (
        ["scheduled", "pending", "verified", "awaiting_approval"].includes(entry.state) &&
        entry.expires <= now
      )
        this.leave(entry, "failed", now)
    }
  }

  approve(id: number, satisfied: boolean, now: number): void {
    const entry = this.byId(id)
    if (entry.state === "awaiting_approval" && satisfied) this.leave(entry, "verified", now)
  }

  withdraw(id: number, now: number): boolean {
    const entry = this.byId(id)
    if (!isLive(entry.state) || entry.state === "committing") return false
    this.leave(entry, "cancelled", now)
    return true
  }

  requeue(id: number, now: number): boolean {
    const entry = this.byId(id)
    const newer = this.ofTask(entry.task).some(
      (other) => other !== entry && (isLive(other.state) || (other.state === "applied" && other.id > id)),
    )
    if (entry.state !== "failed" || newer) return false
    this.leave(entry, "pending", now)
    entry.attempts = 0
    if (entry.expires <= now) entry.expires = now + entry.ttl
    return true
  }

  baseMoved(id: number, now: number): void {
    const entry = this.byId(id)
    if (entry.state !== "verified" && entry.state !== "awaiting_approval") return
    this.leave(entry, "pending", now)
    entry.attempts = Math.max(0, entry.attempts - 1)
  }

  claimProven(id: number, worker: string, leaseMs: number, now: number): Claim | null {
    const entry = this.byId(id)
    const open = [...entry.dependencies].some(
      (on) => !["committing", "applied"].includes(this.byId(on).state),
    )
    if (entry.state !== "verified" || entry.expires <= now || open) return null
    Object.assign(entry, { state: "committing", owner: worker, until: now + leaseMs, updated: now })
    entry.token++
    return { id, worker, token: entry.token }
  }

  counts(): Record<string, number> {
    return Object.fromEntries(
      STATES.map((state) => [state, this.entries.filter((entry) => entry.state === state).length]),
    )
  }
}

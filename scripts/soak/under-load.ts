import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { PolicyInput } from "../../src/domain/policy.ts"
import { chanceFrom } from "../../test/support/chance.ts"
import { initWorkspace, makeRepository, OPEN_POLICY, requestOf } from "../../test/support/workspace.ts"
import { inspect, type Wanted } from "./inspect.ts"
import { type Ended, killAfter, start } from "./processes.ts"
import { countsOf } from "./queue-file.ts"

export interface LoadOptions {
  readonly entries: number
  readonly seed: number
  /** Processes that enqueue, and worker processes, at the same time. */
  readonly producers: number
  readonly workers: number
  /** Change requests in each file that is enqueued. */
  readonly batch: number
  /** Every change passes a guard that runs a shell. */
  readonly guarded: boolean
  /** A worker is killed so many ms after it was started: from, to. */
  readonly workerLife: readonly [number, number]
  /** How often each of them is killed before it may go on to the end. */
  readonly killsEach: number
  readonly leaseSeconds: number
  /** Landings that are recomputed with git apply at the end; all of them without a number. */
  readonly verify: number | "all"
  readonly say: (text: string) => void
}

interface Answered {
  readonly outcome: string
  readonly task_id: string
}

/** An enqueue is killed so many ms after it was started: before, while and after it writes. */
const PRODUCER_LIFE = [30, 600] as const
/** Every third enqueue is killed; three of four are sent again, of the others nobody knows what became. */
const PRODUCERS_KILLED = 1 / 3

const policyOf = ({ guarded, entries, leaseSeconds }: LoadOptions): Omit<PolicyInput, "version"> => ({
  ...OPEN_POLICY,
  // Each kill costs the leases of the dead an attempt: the load is not to blame for it.
  queue: { lease_seconds: leaseSeconds, max_attempts: 10_000, max_depth: entries * 2 },
  ...(guarded && { guards: [{ id: "there", command: ["sh", "-c", "test -d d0 || test -f a.txt"] }] }),
})

const taskOf = (n: number): string => `load-${n}`

/**
 * One-file changes go in through many `enqueue`, workers land them, and both are killed with SIGKILL at seeded moments
 * and started again, until all is decided. Then everything that was acknowledged must be there exactly once.
 */
export const killUnderLoad = async (options: LoadOptions) => {
  const { entries, seed, batch, say } = options
  const chance = chanceFrom(seed)
  const within = ([from, to]: readonly [number, number], ...words: (string | number)[]) =>
    from + (to - from) * chance(...words)
  const repository = makeRepository({ "a.txt": "a\n" })
  const started = performance.now()
  try {
    initWorkspace(repository, policyOf(options))
    repository.commit("policy")
    const wanted = new Map<string, Wanted>()
    const batches: string[] = []
    mkdirSync(join(repository.outside, "batches"))
    for (let from = 0; from < entries; from += batch) {
      const requests = Array.from({ length: Math.min(batch, entries - from) }, (_, index) => {
        const n = from + index
        const [path, text] = [`d${n % 97}/f${n}.txt`, `${n} of ${seed}\n`]
        wanted.set(taskOf(n), { path, text })
        return requestOf(taskOf(n), { [path]: text })
      })
      const file = join(repository.outside, "batches", `${from}.jsonl`)
      writeFileSync(file, requests.map((request) => `${JSON.stringify(request)}\n`).join(""))
      batches.push(file)
    }

    const acknowledged = new Set<string>()
    const kills = { producers: 0, workers: 0, resent: 0 }
    const unexpected: string[] = []
    const note = (who: string, { code, stderr }: Ended) => {
      if (code !== 0) unexpected.push(`${who} ended with ${code}: ${stderr.trim()}`)
    }
    let produced = false
    const queue = [...batches.entries()]
    const produce = async () => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        const [n, file] = next
        for (let attempt = 0; ; attempt++) {
          const running = start(repository, ["enqueue", file, "--format", "jsonl"])
          // The first one dies at once, whatever the others are quick enough for.
          const mayDie = attempt === 0 && (n === 0 || chance("kill", n) < PRODUCERS_KILLED)
          const life = n === 0 ? 0 : within(PRODUCER_LIFE, "life", n)
          const ended = await (mayDie ? killAfter(running, life) : running.ended)
          for (const line of ended.lines) {
            const { outcome, task_id }: Answered = JSON.parse(line)
            if (outcome === "queued" || outcome === "duplicate") acknowledged.add(task_id)
            else unexpected.push(line)
          }
          if (!ended.killed) {
            note("enqueue", ended)
            break
          }
          kills.producers++
          if (chance("again", n) < 0.25) break
          kills.resent++
        }
      }
    }
    const isDone = () => produced && countsOf(repository.root).undecided === 0
    const work = async (slot: number) => {
      for (let life = 0; !isDone(); life++) {
        const mayDie = life < options.killsEach
        const running = start(repository, mayDie ? ["worker"] : ["worker", "--drain"])
        const ended = await (mayDie
          ? killAfter(running, within(options.workerLife, "worker", slot, life))
          : running.ended)
        if (ended.killed) kills.workers++
        else note("worker", ended)
      }
    }
    const watching = setInterval(() => {
      const { undecided, applied } = countsOf(repository.root)
      say(
        `${acknowledged.size} acknowledged, ${applied} applied, ${undecided} undecided, ${kills.workers} kills`,
      )
    }, 5_000)
    const workers = Array.from({ length: options.workers }, (_, slot) => work(slot))
    await Promise.all(Array.from({ length: options.producers }, produce))
    produced = true
    await Promise.all(workers)
    clearInterval(watching)
    const seconds = (performance.now() - started) / 1_000
    // Nothing is undecided, but the last of the dead may have left a stage.
    note("worker --drain", await start(repository, ["worker", "--drain"]).ended)
    say("everything is decided; now looking at it")
    const others = /^(a\.txt|hyperion\.json)$/
    const found = await inspect(repository, { wanted, acknowledged, others, verify: options.verify })
    const all = Object.values(found.report.states).reduce((sum, n) => sum + n, 0)
    if (found.report.applied !== all) unexpected.push(`${all - found.report.applied} entries are not applied`)
    return {
      soak: "kill-under-load",
      mode: `landing.mode commit, branch checked out, no approvals, ${options.guarded ? "one guard for each change" : "no guards"}`,
      durability: "landings synchronous=FULL with fsynced objects, refs and files, queue synchronous=NORMAL",
      seed,
      entries,
      batch,
      producers: options.producers,
      workers: options.workers,
      kills,
      acknowledged: acknowledged.size,
      unknown: entries - acknowledged.size,
      seconds: Math.round(seconds * 10) / 10,
      ...found.report,
      faults: [...unexpected, ...found.faults],
    }
  } finally {
    repository.remove()
  }
}

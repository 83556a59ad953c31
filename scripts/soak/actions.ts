import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { PolicyInput } from "../../src/domain/policy.ts"
import { aCast } from "../../test/support/builders.ts"
import {
  hyperion,
  linePatch,
  OPEN_POLICY,
  patchOf,
  type Ran,
  type Repository,
  requestOf,
} from "../../test/support/workspace.ts"
import type { Wanted } from "./inspect.ts"
import { type Ended, killAfter, start } from "./processes.ts"

/** Files that many changes want at once, and their lines. */
export const SHARED = 4
const LINES = 9
export const sharedFiles = (): Record<string, string> =>
  Object.fromEntries(
    Array.from({ length: SHARED }, (_, n) => [
      `shared/${n}.txt`,
      Array.from({ length: LINES }, (_, at) => `line ${at}\n`).join(""),
    ]),
  )

/** Only what is below their folders runs a guard, or needs a person. */
export const MIXED_POLICY: Omit<PolicyInput, "version"> = {
  ...OPEN_POLICY,
  approvals: {
    ...OPEN_POLICY.approvals,
    tiers: [{ name: "careful", paths: ["needs/**"], required: 1 }],
  },
  queue: { lease_seconds: 3, max_attempts: 10_000, max_depth: 100_000 },
  guards: [
    { id: "green", command: ["sh", "-c", "test -f a.txt"], when: ["guarded/**"] },
    { id: "red", command: ["sh", "-c", "test ! -d red"], when: ["red/**"] },
    {
      id: "flaky",
      command: ["sh", "-c", "test $(od -An -N1 -tu1 /dev/urandom) -lt 160"],
      when: ["flaky/**"],
      cache: false,
    },
  ],
}

export interface Mixed {
  readonly repository: Repository
  readonly env: Readonly<Record<string, string>>
  readonly chance: (...words: readonly (string | number)[]) => number
  readonly wanted: Map<string, Wanted>
  readonly acknowledged: Set<string>
  /** How often each thing was done, and how it ended: `enqueue 0`. */
  readonly counts: Record<string, number>
  readonly faults: string[]
}

type Action = (n: number) => Promise<void>

/** Everything that people and agents do to a queue, one at a time. `n` numbers the moment. */
export const mixedActions = (mixed: Mixed) => {
  const { repository, env, chance, wanted, acknowledged, counts, faults } = mixed
  const { root, outside } = repository
  const held: string[] = []
  const failed: string[] = []
  const waiting: string[] = []

  const count = (name: string, code: number | null) => {
    const key = `${name} ${code ?? "killed"}`
    counts[key] = (counts[key] ?? 0) + 1
  }
  /** What may come out of it: 0, and whatever else is no fault in a queue that others use as well. */
  const run = (args: readonly string[], may: readonly number[] = [0]): Ran => {
    const ran = hyperion(repository, args, { env })
    count(args[0]!, ran.code)
    if (ran.code === null || !may.includes(ran.code))
      faults.push(`${args.join(" ")} ended with ${ran.code}: ${ran.stderr.trim()}`)
    return ran
  }
  const send = async (documents: readonly unknown[], n: number, mayDie = false): Promise<void> => {
    const file = join(outside, "documents.jsonl")
    writeFileSync(file, documents.map((one) => `${JSON.stringify(one)}\n`).join(""))
    const running = start(repository, ["enqueue", file, "--format", "jsonl"], env)
    const dies = mayDie && chance("dies", n) < 0.1
    const ended: Ended = await (dies ? killAfter(running, 30 + 300 * chance("life", n)) : running.ended)
    count("enqueue", ended.code)
    if (!ended.killed && ended.code !== 0 && ended.code !== 5)
      faults.push(`enqueue ended with ${ended.code}: ${ended.stderr}`)
    for (const line of ended.lines) {
      const { outcome, task_id }: { outcome: string; task_id: string } = JSON.parse(line)
      if (outcome !== "rejected" && wanted.has(task_id)) acknowledged.add(task_id)
    }
  }
  const addOf = (task: string, path: string, more: object = {}) => {
    const text = `${task}\n`
    return requestOf(task, { [path]: text }, { agent: `agent-${task.length % 3}`, ...more })
  }
  const plain = (task: string, path: string, more: object = {}) => {
    wanted.set(task, { path, text: `${task}\n` })
    return addOf(task, path, more)
  }
  const oldest = (from: string[]): string | undefined => from.shift()

  const actions: readonly (readonly [weight: number, act: Action])[] = [
    [
      30,
      (n) =>
        send(
          Array.from({ length: 5 }, (_, at) => plain(`p${n}-${at}`, `d${n % 31}/${n}-${at}.txt`)),
          n,
          true,
        ),
    ],
    [
      5,
      (n) =>
        send(
          [0, 1, 2].map((at) =>
            plain(`c${n}-${at}`, `chain/${n}-${at}.txt`, at > 0 ? { depends_on: [`c${n}-${at - 1}`] } : {}),
          ),
          n,
        ),
    ],
    [6, (n) => send([plain(`g${n}`, `guarded/${n}.txt`)], n, true)],
    [4, (n) => send([addOf(`flaky${n}`, `flaky/${n}.txt`)], n)],
    [
      4,
      async (n) => {
        await send([addOf(`red${n}`, `red/${n}.txt`)], n)
        failed.push(`red${n}`)
      },
    ],
    [
      6,
      (n) => {
        // Of two changes of one line of what is there now only the first can land.
        const path = `shared/${n % SHARED}.txt`
        const lines = readFileSync(join(root, path), "utf8").trimEnd().split("\n")
        const edit = (who: string) => linePatch(path, lines, n % LINES, `${who} ${n}`)
        return send(
          ["x", "y"].map((who) => requestOf(`${who}${n}`, {}, { changes: [patchOf(path, edit(who))] })),
          n,
        )
      },
    ],
    [
      4,
      (n) =>
        send([{ ...addOf(`bad${n}`, `bad/${n}.txt`), changes: [{ path: "../out", operation: "add" }] }], n),
    ],
    [
      3,
      async (n) => {
        await send([plain(`n${n}`, `needs/${n}.txt`)], n)
        waiting.push(`n${n}`)
      },
    ],
    [
      3,
      async () => {
        const task = oldest(waiting)
        // Not before it was proven.
        if (task !== undefined && run(["approve", task, "--yes"], [0, 1, 2, 3, 4]).code !== 0)
          waiting.push(task)
      },
    ],
    [
      3,
      async (n) => {
        const task = `gone${n}`
        await send([addOf(task, `needs/${task}.txt`)], n)
        run(["cancel", task], [0, 1])
      },
    ],
    [
      3,
      async () => {
        const task = oldest(failed)
        if (task !== undefined) run(["requeue", task, "--reason", "once more"], [0, 1])
      },
    ],
    [
      3,
      async (n) => {
        await send([plain(`h${n}`, `held/${n}.txt`)], n)
        if (run(["hold", `h${n}`, "--reason", "later"], [0, 1]).code === 0) held.push(`h${n}`)
      },
    ],
    [
      3,
      async () => {
        const task = oldest(held)
        if (task !== undefined) run(["release", task])
      },
    ],
    [
      2,
      async (n) => {
        const at = Date.now()
        const cast = aCast({ taskId: `e${n}`, path: `needs/e${n}.txt`, agent: "late", at, ttlSeconds: 2 })
        await send([cast], n)
      },
    ],
    [
      1,
      async () => {
        run(["freeze", "--reason", "lunch"], [0, 1])
        run(["status"])
        run(["thaw"], [0, 1])
      },
    ],
    [2, async () => void run(["status", "--format", "json"])],
    [2, async () => void run(["list", "--limit", "50", "--format", "json"])],
    [2, async () => void run(["queue-metrics"])],
    [1, async () => void run(["report", "--since", "1m"])],
    [1, async () => void run(["cleanup"])],
    [1, async () => void run(["doctor"])],
  ]
  const total = actions.reduce((sum, [weight]) => sum + weight, 0)
  return {
    act: async (n: number): Promise<void> => {
      let left = chance("what", n) * total
      for (const [weight, act] of actions) {
        left -= weight
        if (left < 0) return act(n)
      }
    },
    /** Nothing stands still any more: what waits for a person is approved or taken away. */
    settle: (): void => {
      run(["thaw"], [0, 1])
      for (const task of held) run(["release", task])
    },
    approveWaiting: (): void => {
      for (const task of waiting) run(["approve", task, "--yes"], [0, 1, 4])
    },
  }
}

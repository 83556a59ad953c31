import { describe, expect, test } from "bun:test"
import { inspect } from "../../scripts/soak/inspect.ts"
import { killUnderLoad, type LoadOptions } from "../../scripts/soak/under-load.ts"
import {
  hasBinary,
  hyperion,
  initWorkspace,
  makeRepository,
  OPEN_POLICY,
  requestOf,
} from "../support/workspace.ts"

const small: LoadOptions = {
  entries: 150,
  seed: Number(process.env["HYPERION_CRASH_SEED"] ?? "7"),
  producers: 2,
  workers: 2,
  batch: 10,
  guarded: false,
  workerLife: [150, 700],
  killsEach: 2,
  leaseSeconds: 1,
  verify: 5,
  say: () => {},
}

// Needs the compiled binary: what is killed must be a process of its own. `scripts/soak/kill-under-load.ts` does it with 10,000.
describe.skipIf(!hasBinary)("workers and enqueues killed under load", () => {
  test("everything acknowledged is applied exactly once, nothing else is there", async () => {
    const { faults, kills, acknowledged, applied } = await killUnderLoad(small)
    expect(faults).toEqual([])
    expect(kills.workers).toBeGreaterThan(0)
    expect(kills.producers).toBeGreaterThan(0)
    expect(applied).toBeGreaterThanOrEqual(acknowledged)
    expect(acknowledged).toBeGreaterThan(small.entries / 2)
  }, 60_000)

  test("the same with a guard for each of them", async () => {
    const { faults, kills } = await killUnderLoad({ ...small, entries: 30, batch: 5, guarded: true })
    expect(faults).toEqual([])
    expect(kills.workers).toBeGreaterThan(0)
  }, 60_000)
})

// As above.
describe.skipIf(!hasBinary)("the look at what is there", () => {
  test("finds what was lost, landed twice, changed and left over", async () => {
    const repository = makeRepository({ "a.txt": "a\n" })
    try {
      initWorkspace(repository, OPEN_POLICY)
      repository.commit("policy")
      const wanted = new Map(["one", "two"].map((task) => [task, { path: `${task}.txt`, text: `${task}\n` }]))
      const requests = [...wanted].map(([task, { path, text }]) => requestOf(task, { [path]: text }))
      repository.write({ "../two.jsonl": requests.map((request) => JSON.stringify(request)).join("\n") })
      hyperion(repository, ["enqueue", `${repository.outside}/two.jsonl`])
      hyperion(repository, ["worker", "--drain"])
      const expected = { wanted, others: /^(a\.txt|hyperion\.json)$/, verify: 0 } as const
      const look = (...acknowledged: readonly string[]) =>
        inspect(repository, { ...expected, acknowledged: new Set(acknowledged) })
      expect((await look("one", "two")).faults).toEqual([])
      repository.write({ "one.txt": "other\n" })
      repository.git("commit", "--quiet", "--all", "--message", "x\n\nTask-Id: one")
      repository.write({ ".git/refs/heads/main.lock": "" })
      const faults = (await look("one", "two", "three")).faults.join("\n")
      for (const fault of [
        "landed twice: one",
        "acknowledged, and lost: three",
        "one.txt is not what was asked for",
        "left over: refs/heads/main.lock",
      ])
        expect(faults).toContain(fault)
    } finally {
      repository.remove()
    }
  }, 30_000)
})

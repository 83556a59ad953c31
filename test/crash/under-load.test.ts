import { describe, expect, test } from "bun:test"
import { killUnderLoad, type LoadOptions } from "../../scripts/soak/under-load.ts"
import { hasBinary } from "../support/workspace.ts"

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

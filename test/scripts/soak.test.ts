import { describe, expect, test } from "bun:test"
import { processOf, type Sample, trends } from "../../scripts/soak/measure.ts"

const steady: Sample = {
  at_s: 0,
  rss_mb: 80,
  fds: 20,
  wal_mb: 4,
  db_mb: 1,
  entries: 200,
  applied: 200,
  undecided: 0,
  temporary: 0,
  drafts: 1,
  stages: 50,
  slots: 3,
  worker_locks: 3,
}
/** Forty samples, one every 15 s; `grow` says how the n-th differs. */
const run = (grow: (n: number) => Partial<Sample>) =>
  Array.from({ length: 40 }, (_, n) => ({
    ...steady,
    at_s: n * 15,
    db_mb: 1 + n / 10,
    entries: 200 + n * 20,
    ...grow(n),
  }))

describe("what a soak calls growth", () => {
  test("not what goes up and down, nor a database that grows with its entries, nor a warm-up", () => {
    expect(trends(run((n) => ({ rss_mb: 80 + (n % 5) * 6, fds: 15 + (n % 7) }))).faults).toEqual([])
    expect(trends(run((n) => ({ rss_mb: n < 10 ? 50 + n * 3 : 80 }))).faults).toEqual([])
  })

  const leaks: readonly (readonly [string, (n: number) => Partial<Sample>, string])[] = [
    ["memory", (n) => ({ rss_mb: 80 + n * 2 }), "rss_mb grew"],
    ["descriptors", (n) => ({ fds: 20 + n / 3 }), "fds grew"],
    ["the WAL", (n) => ({ wal_mb: n }), "wal_mb grew"],
    ["temporary files", (n) => ({ temporary: n }), "temporary grew"],
    ["folders of killed guards", (n) => ({ drafts: n }), "drafts grew"],
    ["stages", (n) => ({ stages: 50 + n }), "stages grew"],
    ["slots", (n) => ({ slots: 3 + n / 8 }), "slots grew"],
    ["locks of dead workers", (n) => ({ worker_locks: n }), "worker_locks grew"],
    ["a database faster than its entries", (n) => ({ db_mb: 1 + n }), "the database grew faster"],
  ]
  test.each(leaks)("%s", (_, grow, fault) => {
    expect(trends(run(grow)).faults.map((one) => one.slice(0, fault.length))).toEqual([fault])
  })
})

test("a process is measured as the kernel sees it, and is null when it is gone", async () => {
  const me = processOf(process.pid)!
  expect(me.peak_mb).toBeGreaterThan(me.rss_mb / 2)
  expect(me.rss_mb).toBeGreaterThan(10)
  expect(me.fds).toBeGreaterThan(2)
  const child = Bun.spawn(["true"])
  await child.exited
  expect(processOf(child.pid)).toBeNull()
})

import { existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import type { Repository } from "../../test/support/workspace.ts"
import { countsOf } from "./queue-file.ts"

/** A process as the kernel sees it; null when it is gone. */
export const processOf = (pid: number) => {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8")
    const kilobytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0)
    return {
      rss_mb: Math.round(kilobytes("VmRSS") / 102.4) / 10,
      peak_mb: Math.round(kilobytes("VmHWM") / 102.4) / 10,
      fds: readdirSync(`/proc/${pid}/fd`).length,
    }
  } catch {
    return null
  }
}

const entriesIn = (folder: string): number => (existsSync(folder) ? readdirSync(folder).length : 0)
const sizeOf = (file: string): number => (existsSync(file) ? statSync(file).size : 0)

/** Names below a folder, without the trees in slots and the objects of repositories. */
const namesBelow = (folder: string): readonly string[] =>
  existsSync(folder)
    ? readdirSync(folder, { withFileTypes: true }).flatMap((one) => [
        one.name,
        ...(one.isDirectory() && !["slots", "objects"].includes(one.name)
          ? namesBelow(join(folder, one.name))
          : []),
      ])
    : []
/** As `mkdtemp` makes them: there while something is going on, or left by who was killed in it. */
const DRAFT = /^[a-z]+-(\d+-)?[A-Za-z0-9]{6}$/

export interface Sample {
  readonly at_s: number
  /** The worker that is never killed. */
  readonly rss_mb: number
  readonly fds: number
  readonly wal_mb: number
  readonly db_mb: number
  readonly entries: number
  readonly applied: number
  readonly undecided: number
  /** Names in the folder for temporary files; temporary folders in the state folder and the cache. */
  readonly temporary: number
  readonly drafts: number
  readonly stages: number
  readonly slots: number
  readonly worker_locks: number
}

/** A slot outlives the process that made it; each workspace has its own below `work`. */
const slotsIn = (cache: string): number => {
  const work = join(cache, "work")
  const names = existsSync(work) ? readdirSync(work) : []
  return names.reduce((sum, name) => sum + entriesIn(join(work, name, "slots")), 0)
}

const MB = 1024 * 1024
const rounded = (bytes: number): number => Math.round((bytes / MB) * 10) / 10

/** What there is now; null when the process is not. */
export const sample = (
  { root, outside }: Repository,
  temporary: string,
  pid: number,
  seconds: number,
): Sample | null => {
  const process = processOf(pid)
  if (process === null) return null
  const { states, applied, undecided } = countsOf(root)
  const state = join(root, ".hyperion")
  return {
    at_s: Math.round(seconds),
    rss_mb: process.rss_mb,
    fds: process.fds,
    wal_mb: rounded(sizeOf(join(state, "hyperion.db-wal"))),
    db_mb: rounded(sizeOf(join(state, "hyperion.db"))),
    entries: Object.values(states).reduce((sum, n) => sum + n, 0),
    applied,
    undecided,
    temporary: entriesIn(temporary),
    drafts: [...namesBelow(state), ...namesBelow(join(outside, "cache"))].filter((name) => DRAFT.test(name))
      .length,
    stages: entriesIn(join(state, "stage")),
    slots: slotsIn(join(outside, "cache")),
    worker_locks: entriesIn(join(state, "hyperion.db.workers")),
  }
}

export type Measure = Exclude<keyof Sample, "at_s" | "entries" | "applied" | "undecided" | "db_mb">

const median = (numbers: readonly number[]): number =>
  numbers.toSorted((left, right) => left - right)[Math.floor(numbers.length / 2)] ?? Number.NaN

/** Medians of the four quarters of a run. */
export const quarters = (samples: readonly Sample[], of: (sample: Sample) => number): readonly number[] =>
  [0, 1, 2, 3].map((quarter) => {
    const [from, to] = [quarter, quarter + 1].map((n) => Math.floor((samples.length * n) / 4))
    return median(samples.slice(from, to).map(of))
  })

/** How much of each the last quarter may have more than the second: the first is still warming up. */
const MAY_GROW: Readonly<Record<Measure, (second: number) => number>> = {
  rss_mb: (second) => second * 1.2 + 10,
  fds: (second) => second + 4,
  wal_mb: () => 24,
  temporary: (second) => second + 2,
  stages: (second) => second + 3,
  drafts: (second) => second + 3,
  slots: (second) => second + 1,
  worker_locks: (second) => second + 3,
}

/** What grew from the second quarter of a run to its last; the numbers of all quarters beside it. */
export const trends = (samples: readonly Sample[]) => {
  const names = Object.keys(MAY_GROW) as Measure[]
  const table = Object.fromEntries(names.map((name) => [name, quarters(samples, (one) => one[name])]))
  const perEntry = quarters(samples, ({ db_mb, entries }) => Math.round((db_mb * MB) / entries))
  const faults = names.flatMap((name) => {
    const [, second, , last] = table[name] as number[]
    return last! <= MAY_GROW[name](second!) ? [] : [`${name} grew: ${table[name]?.join(", ")}`]
  })
  if (perEntry[3]! > perEntry[1]! * 1.25)
    faults.push(`the database grew faster than its entries: ${perEntry.join(", ")}`)
  return { quarters: { ...table, db_bytes_per_entry: perEntry }, faults }
}

import type { Database as Sqlite } from "bun:sqlite"
import type { QueueMetrics } from "../domain/records.ts"
import { type Millis, toTimestamp } from "../domain/time.ts"
import { counted } from "../domain/words.ts"
import { auditHead } from "../platform/audit-append.sql.ts"
import { isAlive, stageNames } from "../platform/state-files.ts"
import { isAbandoned, leasedEntries } from "../queue/attention.ts"
import { freezeOf, freezeText } from "../queue/freeze.ts"
import { OPEN_LANDINGS, type OpenLanding } from "../worker/journal.sql.ts"
import { AT_OF_ROW } from "./doctor.sql.ts"
import { type Diagnosis, healthy } from "./doctor-finding.ts"

const SHOWN = 20
/** A landing takes milliseconds; one that is still open after this was cut off. */
const LONG_LANDING: Millis = 60_000
/** What clocks of one machine may differ by, for a row that is just being written. */
const SKEW_SECONDS = 2
const WORK = "hyperion worker --drain"

const leasesCheck = (db: Sqlite, at: Millis, ended: (owner: string) => boolean): readonly Diagnosis[] => {
  const left = leasedEntries(db).filter((row) => isAbandoned(row, at, ended))
  if (left.length === 0)
    return [healthy("leases", "no lease was left behind", "what is worked on has a worker")]
  const owners = [...new Set(left.map(({ lease_owner }) => lease_owner))]
  const more = left.length > SHOWN ? " …" : ""
  return [
    {
      id: "leases",
      severity: "warn",
      message: `${counted(left.length, "entry", "entries")} left in the hands of ${owners.join(", ")}: ${left
        .slice(0, SHOWN)
        .map(({ id }) => id)
        .join(", ")}${more}`,
      meaning:
        "that worker has ended, or has stood still for longer than its lease; another takes over at once",
      mend: WORK,
    },
  ]
}

const journalCheck = (db: Sqlite, at: Millis, workers: readonly string[]): readonly Diagnosis[] => {
  const open = db
    .query<OpenLanding, []>(OPEN_LANDINGS)
    .all()
    .filter(({ created_at }) => workers.length === 0 || created_at + LONG_LANDING < at)
  if (open.length === 0)
    return [healthy("journal", "no landing was cut off", "the branch is as the log says")]
  return [
    {
      id: "journal",
      severity: "warn",
      message: `${counted(open.length, "landing")} cut off, the oldest begun at ${toTimestamp(open[0]!.created_at)}`,
      meaning: "files of the working tree may be half exchanged; recovery ends or undoes it",
      mend: WORK,
    },
  ]
}

const stagesCheck = (stateDir: string, db: Sqlite): readonly Diagnosis[] => {
  const open = db.query<OpenLanding, []>(OPEN_LANDINGS).all()
  const orphans = stageNames(stateDir).filter((name) => {
    const owner = Number(/\.(\d+)(?:\.new)?$/.exec(name)?.[1])
    return !(isAlive(owner) || open.some(({ id }) => name.startsWith(`${id}.`)))
  })
  if (orphans.length === 0)
    return [healthy("stages", "no stage was left behind", "landings clean up after themselves")]
  return [
    {
      id: "stages",
      severity: "info",
      message: `${counted(orphans.length, "stage")} of killed landings left in .hyperion/stage`,
      meaning: "they only take room; the next worker looks for rescued bytes in them and clears them",
      mend: WORK,
    },
  ]
}

/** What was left by workers that were killed: seen before new ones start. */
export const abandonedChecks = (
  db: Sqlite,
  stateDir: string,
  at: Millis,
  workers: readonly string[],
  ended: (owner: string) => boolean,
): readonly Diagnosis[] => [
  ...leasesCheck(db, at, ended),
  ...journalCheck(db, at, workers),
  ...stagesCheck(stateDir, db),
]

export const skewCheck = (db: Sqlite, at: Millis): Diagnosis => {
  const { seq } = auditHead(db)
  const newest = db.query<{ at: number }, [number]>(AT_OF_ROW).get(seq)
  const ahead = ((newest?.at ?? 0) - at) / 1_000
  if (ahead <= SKEW_SECONDS)
    return healthy("clock", "the log is not ahead of the clock", "times can be compared")
  return {
    id: "clock",
    severity: "warn",
    message: `the newest row of the log is ${Math.round(ahead)} s ahead of this machine's clock`,
    meaning:
      "the clock was set back, or another machine wrote: leases, waits and retention are off by as much",
    mend: "set the clock (timedatectl), then hyperion doctor",
  }
}

/** How the queue stands, from its metrics. */
export const queueChecks = (db: Sqlite, metrics: QueueMetrics, at: Millis): readonly Diagnosis[] => {
  const { stale_applied_rows: applied, stale_dead_letter_rows: failed, last_cleanup_timestamp } = metrics
  const { counts } = auditHead(db)
  const freeze = freezeOf(db)
  const cleaned =
    last_cleanup_timestamp === null ? "never" : `at ${toTimestamp(last_cleanup_timestamp * 1_000)}`
  return [
    skewCheck(db, at),
    healthy(
      "workers",
      `${counted(metrics.worker_count, "worker")} at work, ${counted(metrics.queue_depth, "entry", "entries")} undecided`,
      "each holds a lock that ends with its process",
    ),
    ...(freeze === null
      ? []
      : [
          {
            id: "frozen",
            severity: "warn" as const,
            message: freezeText(freeze),
            meaning: "work goes on, and nothing lands",
            mend: "hyperion thaw",
          },
        ]),
    counts.failed === 0
      ? healthy("dead_letters", "no dead letters", "nothing was given up")
      : {
          id: "dead_letters",
          severity: "info",
          message: counted(counts.failed, "failed entry", "failed entries"),
          meaning: "they were given up, each for a reason",
          mend: "hyperion list-dead-letters",
        },
    applied + failed === 0
      ? healthy(
          "retention",
          `nothing is due for cleanup; last cleanup ${cleaned}`,
          "the queue keeps its size",
        )
      : {
          id: "retention",
          severity: "info",
          message: `due for cleanup: ${applied} landed and ${counted(failed, "failed entry", "failed entries")}; last cleanup ${cleaned}`,
          meaning: "their payloads only take room; workers sweep them little by little",
          mend: "hyperion cleanup",
        },
    healthy(
      "dedup",
      `${counted(metrics.dedup_hits, "duplicate")} refused so far`,
      "the same change is queued once",
    ),
  ]
}

import type { Database as Sqlite } from "bun:sqlite"
import { dirname } from "node:path"
import { counted } from "../domain/words.ts"
import type { DatabaseError, DatabaseFault } from "../platform/Database.ts"
import { SCHEMA_VERSION } from "../platform/Database.ts"
import {
  CHECKPOINT_PASSIVE,
  type CheckpointResult,
  type DatabaseSettings,
  SETTINGS,
} from "../platform/database-check.sql.ts"
import { mayWrite, planOf, sizeOf, structureProblems } from "../platform/database-check.ts"
import { type Diagnosis, healthy } from "./doctor-finding.ts"
import { HOT_STATEMENTS } from "./doctor-plans.ts"

const MIB = 1024 * 1024
/** Four times what the settings let it be shortened to: somebody keeps a read open. */
const LARGE_WAL = 64 * MIB

const FAULTS: Readonly<Record<DatabaseFault, readonly [meaning: string, mend: string]>> = {
  busy: [
    "nobody can read or write the queue meanwhile",
    "end the process that holds it: fuser PATH names it",
  ],
  corrupt: [
    "what it holds can be trusted no more than the log shows; nothing may be landed from it",
    "keep the file, then restore a backup, or hyperion replay --from SEGMENTS --to DIR from what was shipped",
  ],
  read_only: ["nothing can be queued, decided or landed", "chmod -R u+w FOLDER"],
  full: ["nothing can be stored until there is room; nothing was lost", "free space on that disk"],
  missing: ["there is no queue here yet", "hyperion init"],
  foreign: [
    "it belongs to another program, and is left alone",
    "name the queue's own file with --db FILE, or move this one aside and run hyperion init",
  ],
  too_new: ["this binary would misread it, and leaves it alone", "use the newer hyperion that wrote it"],
  outdated: [
    "it can be read, and not be written",
    "end the workers of the other version, then run any command",
  ],
  other: ["the queue cannot be used", "run it again with HYPERION_LOG=debug"],
}

/** What the structure's check says of a row that a rule of the schema forbids; the pages are in order. */
const RULE_BROKEN = /^(?:CHECK constraint failed|NULL value|NUMERIC value|TEXT value|non-\w+ value) in /
const REBUILD = "restore a backup, or hyperion replay --to DIR and take its .hyperion/hyperion.db"

/** Why the database cannot even be opened. */
export const unusable = (error: DatabaseError): Diagnosis => {
  const [meaning, mend] = FAULTS[error.fault]
  return {
    id: `database_${error.fault}`,
    severity: "error",
    message: error.message,
    meaning,
    mend: mend.replace("PATH", error.file).replace("FOLDER", dirname(error.file)),
  }
}

/** A check that SQLite itself stopped is a finding as well. */
const guarded = (id: string, check: () => readonly Diagnosis[]): readonly Diagnosis[] => {
  try {
    return check()
  } catch (error) {
    return [
      {
        id,
        severity: "error",
        message: `the check was stopped: ${error instanceof Error ? error.message : String(error)}`,
        meaning: "the database is damaged, or locked by another process",
        mend: "hyperion doctor --full, when nobody works",
      },
    ]
  }
}

export const schemaCheck = (outdated: number | null, workers: readonly string[]): Diagnosis => {
  if (outdated === null)
    return healthy("schema", `schema ${SCHEMA_VERSION}`, "this binary and the database know each other")
  return {
    id: "schema",
    severity: workers.length > 0 ? "warn" : "info",
    message: `schema ${outdated}, this binary knows ${SCHEMA_VERSION}`,
    meaning:
      workers.length > 0
        ? `it can only be read while workers of another version are at work (process ${workers.join(", ")})`
        : "the next command that opens it migrates it; an older hyperion cannot use it then",
    mend: workers.length > 0 ? "end those workers, then run any command" : null,
  }
}

const settingsCheck = (db: Sqlite, file: string): readonly Diagnosis[] => {
  const found = db.query<DatabaseSettings, []>(SETTINGS).get()!
  const { sqlite, journal_mode, synchronous, foreign_keys, busy_timeout, bytes } = found
  const isWal = journal_mode === "wal"
  const checks: Diagnosis[] = [
    {
      ...healthy(
        "sqlite",
        `SQLite ${sqlite}, journal_mode ${journal_mode}, synchronous ${synchronous}, foreign_keys ${foreign_keys}, busy_timeout ${busy_timeout}, ${(bytes / MIB).toFixed(1)} MiB`,
        "as this binary sets them",
      ),
      ...(!isWal && {
        severity: "error",
        meaning: "readers and writers stop each other, and kills may lose what was acknowledged",
        mend: "move it to a disk with shared memory (no network file system), then run any command",
      }),
    },
  ]
  if (!mayWrite(file))
    checks.push({
      id: "database_read_only",
      severity: "error",
      message: `${file} cannot be written`,
      meaning: FAULTS.read_only[0],
      mend: `chmod u+w ${file}`,
    })
  return checks
}

const integrityCheck = (db: Sqlite, full: boolean): readonly Diagnosis[] => {
  const problems = structureProblems(db, full)
  if (problems.length > 0 && problems.every((problem) => RULE_BROKEN.test(problem)))
    return [
      {
        id: "constraints",
        severity: "error",
        message: problems.join("; "),
        meaning: "a row was edited by hand to say what cannot be: what depends on it may fail",
        mend: `hyperion audit verify names the entry; ${REBUILD}`,
      },
    ]
  if (problems.length === 0)
    return [
      healthy(
        "integrity",
        full
          ? "every page, index and reference is in order"
          : "its structure is in order (--full looks deeper)",
        "what was stored can be read",
      ),
    ]
  return [
    {
      id: "integrity",
      severity: "error",
      message: problems.join("; "),
      meaning: FAULTS.corrupt[0],
      mend: FAULTS.corrupt[1],
    },
  ]
}

const plansCheck = (db: Sqlite): readonly Diagnosis[] => {
  const wrong = HOT_STATEMENTS.flatMap(([name, statement, index]) => {
    try {
      const plan = planOf(db, statement)
      return plan.some((line) => line.includes(`INDEX ${index}`)) ? [] : [`${name} without ${index}`]
    } catch (error) {
      return [`${name}: ${error instanceof Error ? error.message : String(error)}`]
    }
  })
  if (wrong.length === 0)
    return [
      healthy(
        "plans",
        `${HOT_STATEMENTS.length} statements use their indexes`,
        "a long queue costs no more than a short one",
      ),
    ]
  return [
    {
      id: "plans",
      severity: "error",
      message: wrong.join("; "),
      meaning: "an index was dropped by hand: every step now reads the whole queue",
      mend: REBUILD,
    },
  ]
}

const walCheck = (db: Sqlite, file: string): readonly Diagnosis[] => {
  const { busy, log, checkpointed } = db.query<CheckpointResult, []>(CHECKPOINT_PASSIVE).get()!
  const bytes = sizeOf(`${file}-wal`)
  const message = `${(bytes / MIB).toFixed(1)} MiB; a checkpoint moved ${Math.max(0, checkpointed)} of ${counted(Math.max(0, log), "page")} (busy ${busy})`
  if (bytes < LARGE_WAL)
    return [healthy("wal", `write-ahead log: ${message}`, "readers and checkpoints keep up with writers")]
  return [
    {
      id: "wal",
      severity: "warn",
      message: `the write-ahead log is large: ${message}`,
      meaning: "a process keeps a read open, and the log cannot be reused while it does",
      mend: `end that process (fuser ${file}-wal names them), then hyperion doctor --fix`,
    },
  ]
}

/** Settings, structure, plans and write-ahead log of a database that can be opened. */
export const databaseChecks = (
  db: Sqlite,
  file: string,
  full: boolean,
  outdated: number | null,
): readonly Diagnosis[] => [
  ...guarded("sqlite", () => settingsCheck(db, file)),
  ...guarded("integrity", () => integrityCheck(db, full)),
  // An older schema has other indexes.
  ...(outdated === null ? guarded("plans", () => plansCheck(db)) : []),
  ...guarded("wal", () => walCheck(db, file)),
]

/** A large write-ahead log, without looking inside. */
export const walSizeCheck = (file: string): readonly Diagnosis[] => {
  const bytes = sizeOf(`${file}-wal`)
  if (bytes < LARGE_WAL) return []
  return [
    {
      id: "wal",
      severity: "warn",
      message: `the write-ahead log is large: ${(bytes / MIB).toFixed(1)} MiB`,
      meaning: "a process keeps a read open, and the log cannot be reused while it does",
      mend: "hyperion doctor",
    },
  ]
}

import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { type Eta, etaOf, type Pace } from "../domain/eta.ts"
import { type Millis, toTimestamp } from "../domain/time.ts"
import { parseVerificationBody } from "../domain/verification.ts"
import { counted, spanText } from "../domain/words.ts"
import { Database } from "../platform/Database.ts"
import { isAbandoned, leasedEntries } from "../queue/attention.ts"
import { freezeOf, freezeText } from "../queue/freeze.ts"
import { holdOf, isHoldable } from "../queue/hold.ts"
import { QueueService } from "../queue/QueueService.ts"
import type { EntryRow } from "../queue/queue.sql.ts"
import {
  aheadOf,
  conflictReport,
  dependenciesOf,
  failureReport,
  historyOf,
  receiptOf,
  resolveId,
  verificationOf,
} from "../queue/read.ts"
import { measuredPace } from "../telemetry/pace.ts"
import { type ArchivePlace, archiveOf, readArchive } from "./archived.ts"
import { findEntries } from "./entries.ts"

/** Why an entry is where it is: a stable code, one line, what proves it, and the command that comes next. */
export interface Explanation {
  readonly id: number
  readonly task_id: string
  readonly state: EntryRow["state"]
  readonly code: string
  readonly message: string
  readonly evidence: readonly string[]
  /** Ready entries that go before it; only while it waits for a worker. */
  readonly position: number | null
  /** When it will have been worked on; null where that is for a person to say, or the log gives no basis. */
  readonly eta: Eta | null
  readonly next: string | null
}

export const why = Effect.fn("operations.why")(function* (id: string) {
  const rows = yield* findEntries(id)
  const queue = yield* QueueService
  const now = yield* Clock.currentTimeMillis
  const ended = yield* (yield* Database).ended
  return yield* queue.read((db) => {
    const pace = measuredPace(db, now)
    return rows.map((row) => explain(db, row, { now, ended, pace }))
  })
})

type Db = Parameters<typeof receiptOf>[0]
type Said = Pick<Explanation, "code" | "message" | "evidence" | "next"> & { readonly position?: number }
interface Moment {
  readonly now: Millis
  readonly ended: (owner: string) => boolean
  readonly pace: Pace | null
}

const explain = (db: Db, row: EntryRow, moment: Moment): Explanation => {
  const { position = null, evidence, ...said } = flagged(db, row, reasonOf(db, row, moment))
  return {
    id: row.id,
    task_id: row.task_id,
    state: row.state,
    ...said,
    evidence: linesOf(evidence),
    position,
    eta: said.code === "held" ? null : etaOf(moment.pace, workBefore(db, row, position, moment)),
  }
}

/** Entries that workers must have worked on until this one is, itself included; 0 where a worker alone cannot do it. */
const workBefore = (db: Db, row: EntryRow, position: number | null, { now, ended }: Moment): number => {
  if (position !== null) {
    const inHand = leasedEntries(db).filter((other) => !isAbandoned(other, now, ended))
    return position + inHand.length + 1
  }
  return row.state === "in_progress" && !isAbandoned(row, now, ended) ? 1 : 0
}

/** A hold and a freeze stand before every other reason of what has not begun to land. */
const flagged = (db: Db, row: EntryRow, said: Said): Said => {
  if (!isHoldable(row.state)) return said
  const hold = holdOf(db, row)
  if (hold)
    return {
      ...said,
      code: "held",
      message: `held by ${hold.actor} at ${toTimestamp(hold.at)}: ${hold.reason}`,
      evidence: [`otherwise: ${said.message}`, ...said.evidence],
      next: `hyperion release ${row.id}`,
    }
  const freeze = freezeOf(db)
  if (!freeze) return said
  if (row.state !== "verified") return { ...said, evidence: [...said.evidence, freezeText(freeze)] }
  return { ...said, code: "frozen", message: freezeText(freeze), next: "hyperion thaw" }
}

/** One line an item: a log's tail is many. */
const linesOf = (evidence: readonly string[]): readonly string[] =>
  evidence.flatMap((text) => text.split("\n")).filter((line) => line.trim() !== "")

const reasonOf = (db: Db, row: EntryRow, { now, ended }: Moment): Said => {
  const place = archiveOf(db, row)
  if (place !== null) return whyArchived(row, place)
  switch (row.state) {
    case "pending":
      return whyPending(db, row)
    case "scheduled":
      return {
        code: row.reason_code ?? "retry_scheduled",
        message: `it is tried again at ${toTimestamp(row.run_at!)}: ${row.reason ?? "a transient failure"}`,
        evidence: [`attempt ${row.attempts} of ${row.max_attempts}`],
        next: `hyperion history ${row.id}`,
      }
    case "in_progress":
    case "committing": {
      const lost = ended(row.lease_owner!)
        ? "; that worker has ended"
        : row.leased_until! < now
          ? "; its lease has run out"
          : ""
      return {
        code: row.state === "committing" ? "landing" : "being_worked_on",
        message: `worker ${row.lease_owner} has had it for ${spanText(now - row.updated_at)}${lost}`,
        evidence: [
          `attempt ${row.attempts} of ${row.max_attempts}, fencing token ${row.lease_token}`,
          `lease until ${toTimestamp(row.leased_until!)}`,
        ],
        next:
          row.state === "committing"
            ? `hyperion worker --drain   (${lost === "" ? "if that worker is gone, " : ""}it finishes or undoes the landing)`
            : lost === ""
              ? null
              : "hyperion worker   (it takes it over once the lease has run out)",
      }
    }
    case "verified":
      return {
        code: row.reason_code ?? "ready_to_land",
        message: row.reason ?? "it is proven and approved, and waits for a worker to land it",
        evidence: provenEvidence(db, row),
        next: nextForVerified(row),
      }
    case "awaiting_approval":
      return {
        code: row.reason_code ?? "approval_missing",
        message: `waiting for a person: ${row.reason ?? "approval is missing"}`,
        evidence: provenEvidence(db, row),
        next: approveCommand(db, row),
      }
    case "applied": {
      const receipt = receiptOf(db, row.id)
      return {
        code: "applied",
        message: receipt?.commit
          ? `landed as commit ${receipt.commit.slice(0, 12)} at ${receipt.landed_at}`
          : `landed at ${toTimestamp(row.updated_at)}`,
        evidence: receipt
          ? [
              ...(receipt.flags.length > 0 ? [`flags: ${receipt.flags.join(", ")}`] : []),
              ...receipt.guard_outputs.map((guard) => `guard ${guard.guard_id}: ${guard.result}`),
              ...receipt.approvals.map((approval) => `approved by ${approval.approver}`),
            ]
          : [],
        next: `hyperion show ${row.id}`,
      }
    }
    case "conflict":
      return whyConflict(db, row)
    case "failed": {
      const report = failureReport(db, row.id)
      return {
        code: report?.code ?? row.reason_code ?? "failed",
        message: report?.message ?? row.reason ?? "it failed",
        evidence: report
          ? [
              report.where,
              ...report.evidence,
              ...(report.stderr_tail ? [report.stderr_tail] : []),
              ...(report.stdout_tail ? [report.stdout_tail] : []),
            ]
          : [],
        next: report?.hint ?? `hyperion requeue ${row.id} --reason TEXT`,
      }
    }
    case "cancelled": {
      const by = historyOf(db, row).at(-1)
      const heir = heirOf(db, row)
      return {
        code: by?.event ?? row.reason_code ?? "cancelled",
        message: `${by?.event ?? "cancelled"} by ${by?.actor ?? "someone"}: ${row.reason ?? "no reason given"}`,
        evidence: heir === undefined ? [] : [`entry ${heir} took its place`],
        next: heir === undefined ? null : `hyperion why ${heir}`,
      }
    }
  }
}

const whyArchived = (row: EntryRow, place: ArchivePlace): Said => {
  const at = toTimestamp(row.updated_at)
  const outcome = row.state === "applied" ? `landed at ${at}` : `${row.state} since ${at}`
  return {
    code: "archived",
    message: `${outcome}; it is in the archive ${place.folder}/${place.file}`,
    evidence: [
      ...(row.landed_commit === null ? [] : [`commit ${row.landed_commit}`]),
      ...(row.reason === null ? [] : [row.reason]),
    ],
    next: readArchive(place),
  }
}

const whyPending = (db: Db, row: EntryRow): Said => {
  const evidence = row.reason === null ? [] : [row.reason]
  if (row.blockers > 0) {
    const blockers = dependenciesOf(db, row.id).filter((on) => on.state !== "applied")
    const stuck = blockers.find((on) => ["failed", "conflict", "cancelled"].includes(on.state))
    return {
      code: stuck ? "dependency_failed" : "waiting_for_dependency",
      message: `it waits for ${blockers.map((on) => `entry ${on.id} (${on.task_id}, ${on.state})`).join(", ")} to land`,
      evidence,
      next: `hyperion why ${(stuck ?? blockers[0] ?? row).id}`,
    }
  }
  const position = aheadOf(db, row)
  return {
    code: row.reason_code ?? "ready",
    message:
      position === 0
        ? "it is next; a worker takes it"
        : `${counted(position, "ready entry goes", "ready entries go")} before it`,
    evidence,
    position,
    next: "hyperion worker --drain",
  }
}

const provenEvidence = (db: Db, row: EntryRow): readonly string[] => {
  const proof = verificationOf(db, row.id)
  if (!proof) return []
  const body = JSON.parse(proof.body) as {
    guard_outputs?: { guard_id: string; result: string }[]
    flags?: string[]
  }
  const guards = body.guard_outputs ?? []
  return [
    `approval digest ${proof.approval_digest}`,
    `result tree ${proof.result_tree}${proof.base_commit ? ` on ${proof.base_commit.slice(0, 12)}` : ""}`,
    ...guards.map((guard) => `guard ${guard.guard_id}: ${guard.result}`),
    ...(body.flags && body.flags.length > 0 ? [`flags: ${body.flags.join(", ")}`] : []),
  ]
}

/** The commands that land, block or answer are the worker's; these are a person's. */
const nextForVerified = (row: EntryRow): string | null => {
  const code = row.reason_code ?? ""
  if (code === "preview" || code === "worktree") return null
  if (code === "blocked_dirty" || code === "blocked_staged" || code === "blocked_untracked_in_the_way")
    return "git status   (commit, stash or move what it names: it lands by itself at the worker's next look)"
  if (code === "blocked_operation_in_progress")
    return "git status   (finish or abort it: it lands by itself then)"
  return "hyperion worker --drain"
}

const approveCommand = (db: Db, row: EntryRow): string => {
  const body = parseVerificationBody(verificationOf(db, row.id)?.body ?? "")
  const sensitive = body.ok ? body.value.sensitive : []
  return ["hyperion approve", row.id, ...sensitive.map((path) => `--acknowledge ${quotedWord(path)}`)].join(
    " ",
  )
}

/** As a shell takes it for one word. */
const quotedWord = (path: string): string =>
  /^[\w./@+-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`

/** The newest submission of the same task, when it came after this one. */
const heirOf = (db: Db, row: EntryRow): number | undefined =>
  resolveId(db, row.task_id).find((id) => id > row.id)

const whyConflict = (db: Db, row: EntryRow): Said => {
  const report = conflictReport(db, row)
  const heir = heirOf(db, row)
  const packets = report?.conflicts ?? []
  return {
    code: row.reason_code ?? "conflict",
    message: row.reason ?? "it does not fit the current content",
    evidence: [
      ...(heir === undefined ? [] : [`answered by entry ${heir}`]),
      ...(report?.evidence ?? []),
      ...packets.flatMap((packet) => [
        `${packet.path}: ${packet.code}${packet.first_diverging_line === null ? "" : ` at line ${packet.first_diverging_line}`}`,
        ...(["base", "ours", "theirs"] as const).flatMap((side) => {
          const text = packet[side]?.excerpt ?? ""
          return text === "" ? [] : [`${side}: ${text}`]
        }),
      ]),
    ],
    next:
      heir === undefined
        ? `hyperion enqueue FILE   (a new answer to task ${row.task_id}, made on the current content, takes its place)`
        : `hyperion why ${heir}`,
  }
}

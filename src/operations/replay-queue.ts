import type { Database as Sqlite } from "bun:sqlite"
import {
  type ArchiveRow,
  INSERT_ARCHIVE,
  INSERT_TOMBSTONE,
  TOMBSTONE,
  type Tombstone,
} from "../audit/archive.sql.ts"
import { putBlobs } from "../audit/BlobStore.ts"
import { PUT_CHECKPOINT, PUT_EFFECT } from "../audit/blob.sql.ts"
import { LogFollower } from "../audit/foundation.ts"
import { type AuditFault, dataOf, faultAt, Ledger } from "../audit/ledger.ts"
import type { LogRecord } from "../audit/segment.ts"
import { type CastPayload, expiresAt } from "../domain/cast.ts"
import { TERMINAL } from "../domain/entry.ts"
import type { Receipt } from "../domain/receipt.ts"
import type { AuditRow } from "../platform/audit.sql.ts"
import { DROP_META, SET_META } from "../platform/meta.sql.ts"
import { META } from "../platform/meta-keys.ts"
import { SET_HELD } from "../queue/flags.sql.ts"
import {
  COUNT_BLOCKERS,
  DROP_LETTERS,
  INSERT_LETTER,
  INSERT_REPLAYED,
  INSERT_REPLAYED_APPROVAL,
  INSERT_ROW,
  PUT_CAST,
  PUT_DEPENDENCY,
  PUT_REPLAYED_RECEIPT,
  SET_CAST,
  SET_REPLAYED,
  SUBMISSION_OF_TASK,
  VOID_REPLAYED,
} from "./replay.sql.ts"

type Values = (string | number | null)[]

/** Of one entry, what the log says and the ledger does not keep. */
interface Traces {
  token: number
  attempts: number
  owner: string
  until: number
  at: number
  code: string | null
  reason: string | null
  dependsOn: readonly string[]
}

const AGING_MS = 300_000
const VOIDING = new Set(["superseded", "cancelled", "rejected"])
/** Events that change nothing of the entry's own. */
const NOTES = new Set([
  "lease_lost",
  "approval_recorded",
  "renewed",
  "held",
  "released",
  "swept",
  "marked_applied",
  "marked_failed",
])
const DECIDING = new Set(["approved", "approval_recorded", "rejected"])

const text = (value: unknown): string | null => (typeof value === "string" ? value : null)
const number = (value: unknown): number | null => (typeof value === "number" ? value : null)

const insertArchive = (db: Sqlite, archive: ArchiveRow): void => {
  const { cut, head, counts, tree, entries, entries_sha256, carried_sha256, blobs } = archive
  const digests: Values = [cut, head, counts, tree, entries, entries_sha256, carried_sha256, blobs]
  const { folder, file, sha256, at, actor, audit_seq } = archive
  // Nothing of it ever came here.
  db.query(INSERT_ARCHIVE).run(...digests, folder, file, sha256, at, actor, audit_seq, 1)
}

/** Builds a queue anew from the records of its log, in the database of a fresh workspace. */
export class QueueReplay {
  readonly ledger = new Ledger()
  landings = 0
  private readonly traces = new Map<number, Traces>()
  /** By task and payload: its generations so far, by the entry that is each. */
  private readonly generations = new Map<string, Map<number, number>>()
  private readonly follower = new LogFollower(this.ledger)
  private readonly until: number

  /** Rows behind `until` are left out, with what belongs to them. */
  constructor(until: number) {
    this.until = until
  }

  /** Whether the last row wanted has been taken. */
  get isDone(): boolean {
    return this.ledger.seq >= this.until
  }

  /** Takes records inside one transaction; gives the first thing that does not fit. */
  take(db: Sqlite, records: readonly LogRecord[]): AuditFault | null {
    for (const record of records) {
      const fault = this.takeOne(db, record)
      if (fault) return fault
    }
    return null
  }

  private takeOne(db: Sqlite, record: LogRecord): AuditFault | null {
    switch (record.kind) {
      case "archived":
        return this.begin(db, record.archive)
      case "tombstone":
        this.takeTombstone(db, record.entry)
        return this.follower.tombstone(record.entry)
      case "row": {
        if (record.row.seq > this.until) return null
        const fault = this.follower.row(record.row)
        if (fault) return fault
        this.takeRow(db, record.row)
        return null
      }
      case "cast":
        return this.traces.has(record.entry) ? this.takeCast(db, record.entry, record.body) : null
      case "receipt":
        if (this.ledger.entries[record.entry]?.appliedSeq) this.takeReceipt(db, record.entry, record.body)
        return null
      case "effects":
        if (this.ledger.entries[record.entry]?.appliedSeq)
          for (const { path, before_mode, before_hash, after_mode, after_hash } of record.effects)
            db.query(PUT_EFFECT).run(record.entry, path, before_mode, before_hash, after_mode, after_hash)
        return null
      case "checkpoint": {
        const { tree, parent_tree, commit_id, manifest, complete, audit_seq } = record.checkpoint
        if (audit_seq <= this.ledger.seq)
          db.query(PUT_CHECKPOINT).run(tree, parent_tree, commit_id, manifest, complete, audit_seq)
        return null
      }
      case "blob":
        putBlobs(db, [record.blob])
        return null
      case "segment":
      case "head":
        return null
    }
  }

  private begin(db: Sqlite, archive: ArchiveRow): AuditFault | null {
    const { cut } = archive
    if (cut > this.until)
      return faultAt("archive", { seq: this.until }, `it is archived: this log begins behind row ${cut}`)
    insertArchive(db, archive)
    return this.follower.begin(archive)
  }

  private takeTombstone(db: Sqlite, row: Tombstone): void {
    this.generationsOf(row).set(row.id, Number(row.generation))
    db.query(INSERT_TOMBSTONE).run(...TOMBSTONE.map((column) => row[column]))
  }

  private generationsOf({ task_id, payload_hash }: Record<string, unknown>): Map<number, number> {
    const key = `${task_id} ${payload_hash}`
    const known = this.generations.get(key) ?? new Map<number, number>()
    this.generations.set(key, known)
    return known
  }

  private takeRow(db: Sqlite, row: AuditRow): void {
    db.query(INSERT_ROW).run(
      row.seq,
      row.at,
      row.event,
      row.entry_id,
      row.entry_previous,
      row.subject,
      row.actor,
      row.data,
      row.counts,
      row.hash,
    )
    const data = dataOf(row.data)
    const id = row.entry_id
    if (id !== null && row.event === "enqueued") this.enqueue(db, id, row, data)
    if (DECIDING.has(row.event)) this.decide(db, row, data)
    if (row.event === "frozen")
      db.query(SET_META).run(
        META.freeze,
        JSON.stringify({ actor: row.actor, reason: data["reason"], at: row.at }),
      )
    if (row.event === "thawed") db.query(DROP_META).run(META.freeze)
    const traces = id === null ? undefined : this.traces.get(id)
    if (id === null || !traces) return
    if (row.event === "held" || row.event === "released")
      db.query(SET_HELD).run(id, row.event === "held" ? 1 : 0)
    if (!NOTES.has(row.event)) {
      traces.at = row.at
      traces.code = text(data["code"])
      traces.reason = text(data["reason"])
    }
    traces.token = number(data["token"]) ?? traces.token
    if (row.event === "leased" || row.event === "committing") {
      traces.owner = row.actor
      traces.until = number(data["until"]) ?? Math.max(traces.until, row.at)
      traces.attempts = number(data["attempt"]) ?? traces.attempts
    }
    if (row.event === "given_back" || row.event === "base_moved")
      traces.attempts = Math.max(0, traces.attempts - 1)
    if (row.event === "requeued") {
      traces.attempts = 0
      db.query(DROP_LETTERS).run(id)
    }
    if (VOIDING.has(row.event)) db.query(VOID_REPLAYED).run(id, row.at, traces.reason)
    if (row.event === "failed" || row.event === "expired") this.bury(db, id, row, data)
    if (row.event === "applied") this.landings++
  }

  private enqueue(db: Sqlite, id: number, row: AuditRow, data: Readonly<Record<string, unknown>>): void {
    const { cast_id, checksum, task_id, agent, payload_hash, priority } = data as Record<string, string>
    const known = this.generationsOf(data)
    // Later ones of the same payload may have been archived before it.
    const generation = Math.max(0, ...[...known].flatMap(([other, which]) => (other < id ? [which] : []))) + 1
    known.set(id, generation)
    const rank = row.at - Number(priority) * AGING_MS
    const values = [id, cast_id, checksum, task_id, agent, payload_hash, generation, Number(priority), rank]
    db.query(INSERT_REPLAYED).run(...(values as Values), row.at, row.at, row.seq)
    this.traces.set(id, {
      token: 0,
      attempts: 0,
      owner: "",
      until: 0,
      at: row.at,
      code: null,
      reason: null,
      dependsOn: [],
    })
  }

  private takeCast(db: Sqlite, id: number, body: string): AuditFault | null {
    db.query(PUT_CAST).run(id, body)
    try {
      const cast: CastPayload = JSON.parse(body)
      db.query(SET_CAST).run(id, cast.request_id, expiresAt(cast))
      this.traces.get(id)!.dependsOn = cast.change_request.depends_on ?? []
      return null
    } catch {
      return faultAt("cast", { entryId: id }, `the cast of entry ${id} cannot be read`)
    }
  }

  private takeReceipt(db: Sqlite, id: number, body: string): void {
    const { commit, landed_at } = JSON.parse(body) as Receipt
    db.query(PUT_REPLAYED_RECEIPT).run(id, commit, Date.parse(landed_at), body)
  }

  private decide(db: Sqlite, row: AuditRow, data: Readonly<Record<string, unknown>>): void {
    const { approval, approver, note, role, digest, presence, attested, signature, acknowledged } = data
    if (typeof approval !== "number") return
    const values = [
      approval,
      row.entry_id,
      row.entry_id === null ? row.subject : null,
      row.event === "rejected" ? "reject" : "approve",
      approver,
      note ?? null,
      role ?? null,
      digest,
      presence,
      attested ? 1 : 0,
      signature ?? null,
      JSON.stringify(acknowledged ?? []),
      row.at,
    ]
    db.query(INSERT_REPLAYED_APPROVAL).run(...(values as Values))
  }

  private bury(db: Sqlite, id: number, row: AuditRow, data: Readonly<Record<string, unknown>>): void {
    const message = text(data["reason"]) ?? row.event
    const report = {
      schema_version: 1,
      code: text(data["code"]) ?? row.event,
      message,
      where: `row ${row.seq} of the log`,
      hint: "the full report is with the queue this one was replayed from",
      evidence: [],
    }
    const reasonClass = text(data["reason_class"]) ?? "infra"
    db.query(INSERT_LETTER).run(id, reasonClass, message, JSON.stringify(report), row.at)
  }

  /** The states that the last row left, once all records were taken. */
  finish(db: Sqlite): AuditFault | null {
    const fault = this.follower.seal()
    if (fault) return fault
    for (const [id, traces] of this.traces) {
      const { state, lastSeq } = this.ledger.entries[id]!
      const held = state === "in_progress" || state === "committing"
      const values: Values = [
        id,
        state,
        TERMINAL.has(state) ? 1 : 0,
        held ? traces.owner : null,
        held ? traces.until : null,
        traces.token,
        // When it was to be tried again is not in the log: at once is safe.
        state === "scheduled" ? traces.at : null,
        traces.at,
        traces.code,
        traces.reason,
        traces.attempts,
        lastSeq,
      ]
      db.query(SET_REPLAYED).run(...values)
    }
    for (const [id, { dependsOn }] of this.traces)
      for (const task of dependsOn) {
        const on = db.query<{ id: number }, [string]>(SUBMISSION_OF_TASK).get(task)?.id
        if (on !== undefined && on !== id) db.query(PUT_DEPENDENCY).run(id, on)
      }
    db.query(COUNT_BLOCKERS).run()
    return null
  }
}

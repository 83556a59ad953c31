import { sha256Hex } from "../domain/hash.ts"
import { unpackBlob } from "./BlobStore.ts"
import { compareArchive, LogFollower } from "./foundation.ts"
import { type AuditFault, dataOf, faultAt, Ledger } from "./ledger.ts"
import { decodeRecord, type Head, type LogRecord } from "./segment.ts"

/** Files of the log, read line by line without the database: the first thing that does not fit is the fault. */
export class LogReader {
  readonly ledger = new Ledger()
  head: Head | null = null
  casts = 0
  blobs = 0
  /** What rows of the log have promised and no record has held yet, by `cast 3`: a SHA-256. */
  private readonly promised = new Map<string, string>()
  private hasher = new Bun.CryptoHasher("sha256")
  private isSegment = false
  private closed = true
  private readonly follower = new LogFollower(this.ledger)

  /** Begins the next file. Every file must end with its head. */
  begin(): AuditFault | null {
    if (!this.closed) return this.cut()
    this.hasher = new Bun.CryptoHasher("sha256")
    this.isSegment = false
    this.closed = false
    return null
  }

  /** At the end of all files. */
  end(): AuditFault | null {
    if (!this.closed) return this.cut()
    for (const checkpoint of this.follower.checkpoints) {
      const fault = compareArchive(checkpoint, this.ledger)
      if (fault) return fault
    }
    return null
  }

  /** The cut of the checkpoint it begins behind; 0 when it begins at the beginning. */
  get archived(): number {
    return this.follower.checkpoints.at(-1)?.cut ?? 0
  }

  private cut(): AuditFault {
    return faultAt("head", { seq: this.ledger.seq }, "a file ends without its head: it was cut off")
  }

  /** Takes one line, without its newline; gives the record it holds. */
  take(line: string): LogRecord | AuditFault {
    const seq = this.ledger.seq
    if (this.closed) return faultAt("head", { seq }, "a line stands behind a head")
    const record = decodeRecord(line)
    if (record === null)
      return faultAt("hash", { seq }, `the line after row ${seq} is damaged: it is no record of a log`)
    const fault = this.check(record)
    if (fault) return fault
    this.hasher.update(line).update("\n")
    return record
  }

  private check(record: LogRecord): AuditFault | null {
    const { ledger } = this
    const at = { seq: ledger.seq }
    switch (record.kind) {
      case "segment":
        this.isSegment = true
        if (record.after !== ledger.seq)
          return faultAt("gap", at, `a segment is missing: the next one goes on after row ${record.after}`)
        return record.previous === ledger.head
          ? null
          : faultAt("head", at, `the segment after row ${ledger.seq} belongs to another log`)
      case "archived":
        return this.follower.begin(record.archive)
      case "tombstone":
        return this.follower.tombstone(record.entry)
      case "row": {
        const fault = this.follower.row(record.row)
        if (fault) return fault
        const { entry_id, event } = record.row
        const data = dataOf(record.row.data)
        if (event === "enqueued") this.promise(`cast ${entry_id}`, data["body_sha256"])
        if (event === "applied") this.promise(`receipt ${entry_id}`, data["receipt_sha256"])
        if (event === "base_adopted") this.promise(`checkpoint ${record.row.seq}`, data["manifest"])
        return null
      }
      case "cast":
      case "receipt": {
        if (record.kind === "cast") this.casts++
        return this.keep(record.kind, record.entry, sha256Hex(String(record.body)))
      }
      case "checkpoint":
        return this.keep("checkpoint", record.checkpoint.audit_seq, record.checkpoint.manifest)
      case "effects":
        return null
      case "blob":
        this.blobs++
        return unpackBlob(record.blob) === null
          ? faultAt("blob", at, `the content ${record.blob.hash} was changed after it was written`)
          : null
      case "head":
        return this.close(record)
    }
  }

  private promise(what: string, hash: unknown): void {
    if (typeof hash === "string") this.promised.set(what, hash)
  }

  private keep(kind: "cast" | "receipt" | "checkpoint", id: number, hash: string): AuditFault | null {
    const what = `${kind} ${id}`
    const promised = this.promised.get(what)
    this.promised.delete(what)
    if (promised === hash) return null
    const entry = kind === "checkpoint" ? { seq: id } : { entryId: id }
    return faultAt(
      kind === "checkpoint" ? "base" : kind,
      entry,
      kind === "checkpoint"
        ? `the base adopted in row ${id} is not the one that the log recorded`
        : `the ${kind} of entry ${id} is not the one that the log recorded`,
    )
  }

  private close(head: Head): AuditFault | null {
    const { ledger } = this
    const unsealed = this.follower.seal()
    if (unsealed) return unsealed
    const at = { seq: ledger.seq }
    if (head.sha256 !== this.hasher.digest("hex"))
      return faultAt("hash", at, `the file that ends with row ${ledger.seq} was changed after it was written`)
    if (head.seq !== ledger.seq || head.hash !== ledger.head)
      return faultAt("head", at, `the head names row ${head.seq}, the rows end with ${ledger.seq}`)
    // A cast may have been cleaned up before it was shipped; a receipt never is.
    const lost = this.isSegment
      ? [...this.promised.keys()].find((what) => !what.startsWith("cast "))
      : undefined
    if (lost !== undefined) return faultAt("receipt", at, `the ${lost} is missing from its segment`)
    this.promised.clear()
    this.closed = true
    this.head = head
    return null
  }
}

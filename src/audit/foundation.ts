import { chainHash } from "../domain/audit.ts"
import { decodeCounts, encodeCounts, NO_COUNTS, transition } from "../domain/entry.ts"
import { canonicalJson } from "../domain/hash.ts"
import type { AuditRow } from "../platform/audit.sql.ts"
import { type ArchiveRow, TOMBSTONE, type Tombstone } from "./archive.sql.ts"
import { type AuditFault, dataOf, faultAt, type Ledger } from "./ledger.ts"

/** A digest over rows, each as the JSON list of its values. */
export class RowsDigest {
  private readonly hasher = new Bun.CryptoHasher("sha256")

  tombstone(row: Tombstone): void {
    this.hasher.update(`${JSON.stringify(TOMBSTONE.map((column) => row[column]))}\n`)
  }

  row(row: AuditRow): void {
    const { seq, at, event, entry_id, entry_previous, subject, actor, data, counts, hash } = row
    this.hasher.update(
      `${JSON.stringify([seq, at, event, entry_id, entry_previous, subject, actor, data, counts, hash])}\n`,
    )
  }

  hex(): string {
    return this.hasher.digest("hex")
  }
}

/** What the log records of a checkpoint. */
export const archiveData = (archive: Omit<ArchiveRow, "at" | "actor" | "audit_seq" | "swept">) => {
  const { cut, head, counts, tree, entries, entries_sha256, carried_sha256, blobs, folder, file, sha256 } =
    archive
  return { cut, head, counts, tree, entries, entries_sha256, carried_sha256, blobs, folder, file, sha256 }
}

/**
 * What a log that begins behind a checkpoint stands on: the archived entries, and the rows that stayed for those that
 * are not. Puts both into the ledger, then sets it to the cut.
 */
export class Foundation {
  readonly archive: ArchiveRow
  private readonly ledger: Ledger
  private readonly tombstones = new RowsDigest()
  private readonly rows = new RowsDigest()
  private count = 0
  private last: AuditRow | null = null

  constructor(archive: ArchiveRow, ledger: Ledger) {
    this.archive = archive
    this.ledger = ledger
  }

  tombstone(row: Tombstone): void {
    this.count++
    this.tombstones.tombstone(row)
    this.ledger.entries[row.id] = {
      state: row.state,
      enqueuedSeq: 0,
      verifiedSeq: 0,
      appliedSeq: 0,
      lastSeq: row.audit_seq,
      held: false,
      isArchived: true,
    }
  }

  /** The next row up to the cut that stayed. Its hash binds the row before it, which may be gone. */
  carry(row: AuditRow): AuditFault | null {
    const { seq, entry_id: id } = row
    const before = this.last
    if (seq <= (before?.seq ?? 0) || seq > this.archive.cut)
      return faultAt("gap", { seq }, `row ${seq} does not belong to the log`)
    if (before?.seq === seq - 1 && hashAfter(before.hash, row) !== row.hash)
      return faultAt("hash", { seq }, `row ${seq} (${row.event}) was changed after it was written`)
    if (id !== null) {
      const known = this.ledger.entries[id]
      const to = row.event === "enqueued" && !known ? "pending" : known && transition(known.state, row.event)
      if (row.entry_previous !== (known?.lastSeq ?? null) || (!known && !to))
        return faultAt(
          "history",
          { seq },
          `row ${seq} (${row.event}) does not continue the history of its entry`,
        )
      this.ledger.remember(row, id, known, to)
    }
    this.ledger.note(row)
    this.rows.row(row)
    this.last = row
    return null
  }

  /** After the last of both: everything is as the checkpoint says, and the chain goes on behind its cut. */
  seal(): AuditFault | null {
    const { archive, ledger } = this
    const wrong = (what: string) =>
      faultAt("archive", { seq: archive.cut }, `${what} since the log was archived up to row ${archive.cut}`)
    if (this.count !== archive.entries || this.tombstones.hex() !== archive.entries_sha256)
      return wrong("what is kept of archived entries was changed")
    if (this.rows.hex() !== archive.carried_sha256) return wrong("a row of an entry that stayed was changed")
    const counts = { ...NO_COUNTS }
    for (const entry of ledger.entries) if (entry) counts[entry.state] += 1
    if (encodeCounts(counts) !== archive.counts) return wrong("entries were added or taken away")
    ledger.seq = archive.cut
    ledger.head = archive.head
    ledger.counts = counts
    return null
  }
}

/** Takes the rows of a log into its ledger, wherever it begins: at its beginning, or behind a checkpoint. */
export class LogFollower {
  /** Of a log that begins behind one: oldest first; it stands on the newest. */
  readonly checkpoints: ArchiveRow[] = []
  private readonly ledger: Ledger
  private foundation: Foundation | null = null

  constructor(ledger: Ledger) {
    this.ledger = ledger
  }

  begin(archive: ArchiveRow): AuditFault | null {
    const { ledger } = this
    if (ledger.seq > 0 || ledger.entries.length > 0)
      return faultAt("gap", { seq: ledger.seq }, "a log begins anew behind a checkpoint")
    this.checkpoints.push(archive)
    this.foundation = new Foundation(archive, ledger)
    return null
  }

  tombstone(row: Tombstone): AuditFault | null {
    if (this.foundation === null)
      return faultAt("archive", { entryId: row.id }, "an archived entry stands behind no checkpoint")
    this.foundation.tombstone(row)
    return null
  }

  row(row: AuditRow): AuditFault | null {
    if (this.foundation !== null && row.seq <= this.foundation.archive.cut) return this.foundation.carry(row)
    return this.seal() ?? this.ledger.take(row)
  }

  /** Behind the last row that stayed. */
  seal(): AuditFault | null {
    const { foundation } = this
    this.foundation = null
    return foundation?.seal() ?? null
  }
}

const hashAfter = (previous: string, row: AuditRow): string =>
  chainHash(previous, {
    seq: row.seq,
    at: row.at,
    event: row.event,
    entryId: row.entry_id,
    entryPrevious: row.entry_previous,
    subject: row.subject,
    actor: row.actor,
    data: row.data,
    counts: decodeCounts(row.counts),
  })

/** A checkpoint against the row of the log that recorded it. */
export const compareArchive = (archive: ArchiveRow, ledger: Ledger): AuditFault | null => {
  const row = ledger.archives.get(archive.cut)
  if (row === undefined)
    return faultAt(
      "archive",
      { seq: archive.audit_seq },
      `the checkpoint at row ${archive.cut} is not in the log`,
    )
  const same =
    row.seq === archive.audit_seq &&
    row.at === archive.at &&
    row.actor === archive.actor &&
    canonicalJson(dataOf(row.data)) === canonicalJson(archiveData(archive))
  return same
    ? null
    : faultAt(
        "archive",
        { seq: row.seq },
        `the checkpoint at row ${archive.cut} is not what row ${row.seq} recorded`,
      )
}

-- Checkpoints: what the live database gave up to an archive, and from where its log goes on.

CREATE TABLE archive (
  -- The last row of the log that is in the archive as a whole; the live chain goes on behind it.
  cut INTEGER PRIMARY KEY,
  -- Hash of that row, and the entries in each state after it.
  head TEXT NOT NULL,
  counts TEXT NOT NULL,
  -- The tree that the last landing up to there left; null: there was none.
  tree TEXT,
  -- Entries archived so far, this time's among them, and the digest of their rows.
  entries INTEGER NOT NULL,
  entries_sha256 TEXT NOT NULL,
  -- Digest of the rows up to the cut that stay, because their entries do.
  carried_sha256 TEXT NOT NULL,
  -- Number of the newest stored content that the archive holds: those up to it may go.
  blobs INTEGER NOT NULL,
  folder TEXT NOT NULL,
  file TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  at INTEGER NOT NULL,
  actor TEXT NOT NULL,
  -- Row of the log that records all of this.
  audit_seq INTEGER NOT NULL,
  -- 1: everything that is in the archive only has been taken out of here.
  swept INTEGER NOT NULL DEFAULT 0 CHECK (swept IN (0, 1))
) STRICT;

CREATE TRIGGER archive_is_kept_delete BEFORE DELETE ON archive
BEGIN SELECT RAISE(ABORT, 'a checkpoint is never deleted'); END;
CREATE TRIGGER archive_is_kept_update BEFORE UPDATE OF cut, head, counts, tree, entries, entries_sha256,
  carried_sha256, blobs, folder, file, sha256, at, actor, audit_seq ON archive
BEGIN SELECT RAISE(ABORT, 'a checkpoint is never changed'); END;
CREATE TRIGGER archive_is_kept_swept BEFORE UPDATE OF swept ON archive WHEN NEW.swept < OLD.swept
BEGIN SELECT RAISE(ABORT, 'a checkpoint is never opened again'); END;

-- The row of an archived entry stays: its ids are known, and its payload is not taken a second time.
ALTER TABLE entry ADD COLUMN archived INTEGER REFERENCES archive (cut) DEFERRABLE INITIALLY DEFERRED;
-- Of an archived landing, whose receipt is gone from here.
ALTER TABLE entry ADD COLUMN landed_commit TEXT;
CREATE INDEX entry_landed_commit ON entry (landed_commit) WHERE landed_commit IS NOT NULL;
CREATE INDEX entry_archived ON entry (id) WHERE archived IS NOT NULL;

CREATE TRIGGER entry_archived_update BEFORE UPDATE ON entry WHEN OLD.archived IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'an archived entry never changes'); END;
CREATE TRIGGER entry_archived_delete BEFORE DELETE ON entry WHEN OLD.archived IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'an archived entry stays known'); END;

-- Cleaned up by age.
CREATE INDEX guard_memory_at ON guard_memory (at);

-- The log names approvals by number: one that went into an archive must not be given again.
CREATE TABLE numbered_approval (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  entry_id INTEGER REFERENCES entry (id),
  request_id TEXT,
  decision TEXT NOT NULL CHECK (decision IN ('approve', 'reject')),
  approver TEXT NOT NULL,
  note TEXT,
  role TEXT,
  digest TEXT NOT NULL,
  presence TEXT NOT NULL CHECK (presence IN ('tty', 'signature', 'none')),
  attested INTEGER NOT NULL CHECK (attested IN (0, 1)),
  signature TEXT,
  acknowledged TEXT NOT NULL DEFAULT '[]',
  created_at INTEGER NOT NULL,
  voided_at INTEGER,
  void_reason TEXT,
  CHECK ((entry_id IS NULL) != (request_id IS NULL))
) STRICT;
INSERT INTO numbered_approval SELECT * FROM approval;
DROP TABLE approval;
ALTER TABLE numbered_approval RENAME TO approval;
CREATE INDEX approval_entry ON approval (entry_id) WHERE entry_id IS NOT NULL;
CREATE INDEX approval_request ON approval (request_id) WHERE request_id IS NOT NULL;

-- The only way out of the log: a row that a checkpoint covers, whose own row is in the log, and whose entry is archived.
-- What of it stays: AUDIT_KEPT of src/audit/archive.sql.ts says the same.
DROP TRIGGER audit_is_append_only_delete;
CREATE TRIGGER audit_is_append_only_delete BEFORE DELETE ON audit
WHEN NOT EXISTS (SELECT 1 FROM archive a JOIN audit r ON r.seq = a.audit_seq
    WHERE a.cut = (SELECT max(cut) FROM archive) AND OLD.seq <= a.cut AND a.swept = 0
      AND r.event = 'archived' AND json_extract(r.data, '$.sha256') = a.sha256)
  OR (OLD.entry_id IS NOT NULL AND (SELECT archived FROM entry WHERE id = OLD.entry_id) IS NULL)
  OR (OLD.entry_id IS NULL AND OLD.event IN ('archived', 'frozen', 'thawed', 'approved', 'approval_recorded', 'rejected'))
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;

-- A rebuilt log that begins behind a checkpoint has the rows that stayed, then goes on behind the cut.
DROP TRIGGER audit_is_append_only_insert;
CREATE TRIGGER audit_is_append_only_insert BEFORE INSERT ON audit
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM audit)
  AND NOT (NEW.seq > (SELECT coalesce(max(seq), 0) FROM audit)
    AND NEW.seq <= (SELECT coalesce(max(cut), -1) + 1 FROM archive))
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;

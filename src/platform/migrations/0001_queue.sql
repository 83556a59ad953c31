-- The queue. State machine and lease rules of src/domain/entry.ts are repeated here as constraints, so that no
-- program, and no hand with a SQLite shell, can store a state the code cannot mean.

CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE entry (
  id INTEGER PRIMARY KEY,
  cast_id TEXT NOT NULL,
  checksum TEXT NOT NULL,
  request_id TEXT NOT NULL,
  task_id TEXT NOT NULL,
  agent TEXT NOT NULL,
  payload_hash TEXT NOT NULL,
  generation INTEGER NOT NULL DEFAULT 1 CHECK (generation >= 1),
  state TEXT NOT NULL CHECK (state IN (
    'scheduled', 'pending', 'in_progress', 'verified', 'awaiting_approval',
    'committing', 'applied', 'conflict', 'failed', 'cancelled')),
  priority INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 9),
  -- Static: max(created_at, the agent's virtual time) - priority * aging. Lower goes first; nothing is ever re-sorted.
  rank INTEGER NOT NULL,
  -- Dependencies that have not landed yet.
  blockers INTEGER NOT NULL DEFAULT 0 CHECK (blockers >= 0),
  held INTEGER NOT NULL DEFAULT 0 CHECK (held IN (0, 1)),
  landing TEXT NOT NULL DEFAULT 'independent' CHECK (landing IN ('independent', 'in_order', 'together')),
  attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  max_attempts INTEGER NOT NULL CHECK (max_attempts >= 1),
  lease_owner TEXT,
  -- Fencing token: grows with every lease of this entry and is never reset.
  lease_token INTEGER NOT NULL DEFAULT 0,
  leased_until INTEGER,
  run_at INTEGER,
  expires_at INTEGER NOT NULL,
  -- Repeats that the state is terminal. Written only when that changes, so that an index on what is undecided is not
  -- rewritten with every transition.
  decided INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  -- Why it is where it is, for `why`: a stable code and one line.
  reason_code TEXT,
  reason TEXT,
  supersedes INTEGER REFERENCES entry (id),
  -- Newest audit row about this entry; the rows are chained backwards from here.
  audit_seq INTEGER NOT NULL,
  CHECK (decided = (state IN ('applied', 'conflict', 'failed', 'cancelled'))),
  CHECK ((state IN ('in_progress', 'committing')) = (lease_owner IS NOT NULL)),
  CHECK ((lease_owner IS NULL) = (leased_until IS NULL)),
  CHECK ((state = 'scheduled') = (run_at IS NOT NULL))
) STRICT;

CREATE UNIQUE INDEX entry_dedup ON entry (task_id, payload_hash, generation);
CREATE INDEX entry_ready ON entry (rank, id) WHERE state = 'pending' AND blockers = 0 AND held = 0;
-- Not those that are committing: a landing that was begun is never taken back, its journal decides.
CREATE INDEX entry_leased ON entry (leased_until) WHERE state = 'in_progress';
CREATE INDEX entry_scheduled ON entry (run_at) WHERE state = 'scheduled';
CREATE INDEX entry_proven ON entry (rank, id) WHERE state = 'verified';
CREATE INDEX entry_expiry ON entry (expires_at) WHERE decided = 0;
CREATE INDEX entry_request ON entry (request_id);
CREATE INDEX entry_cast ON entry (cast_id);

-- The cast's JSON, written once. Apart from the row that every transition rewrites.
CREATE TABLE entry_payload (
  id INTEGER PRIMARY KEY REFERENCES entry (id) ON DELETE CASCADE,
  body TEXT NOT NULL
) STRICT;

CREATE TABLE entry_dependency (
  entry_id INTEGER NOT NULL REFERENCES entry (id) ON DELETE CASCADE,
  on_entry INTEGER NOT NULL REFERENCES entry (id),
  PRIMARY KEY (entry_id, on_entry)
) STRICT, WITHOUT ROWID;
CREATE INDEX entry_dependents ON entry_dependency (on_entry);

-- Start-time fair queueing: each accepted cast pushes its agent's next one of the same priority later, as long as the
-- one before still waits.
CREATE TABLE agent_clock (
  agent TEXT NOT NULL,
  priority INTEGER NOT NULL,
  virtual_time INTEGER NOT NULL,
  last_entry INTEGER NOT NULL,
  PRIMARY KEY (agent, priority)
) STRICT, WITHOUT ROWID;

-- The tamper-evident log: hash = SHA-256(previous || length-prefixed fields). Never updated, never deleted from.
CREATE TABLE audit (
  seq INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  event TEXT NOT NULL,
  entry_id INTEGER,
  entry_previous INTEGER,
  subject TEXT,
  actor TEXT NOT NULL,
  data TEXT NOT NULL,
  -- Entries in each state after this row, cumulative: metrics read the last row instead of counting.
  counts TEXT NOT NULL,
  hash TEXT NOT NULL
) STRICT;

CREATE TRIGGER audit_is_append_only_update BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
-- INSERT OR REPLACE deletes without firing a delete trigger.
CREATE TRIGGER audit_is_append_only_insert BEFORE INSERT ON audit
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM audit)
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_is_append_only_delete BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;

-- What was proven about an entry that has not landed yet.
CREATE TABLE verification (
  entry_id INTEGER PRIMARY KEY REFERENCES entry (id) ON DELETE CASCADE,
  base_commit TEXT,
  base_tree TEXT,
  result_tree TEXT NOT NULL,
  -- What an approval of this entry binds.
  approval_digest TEXT NOT NULL,
  body TEXT NOT NULL,
  verified_at INTEGER NOT NULL
) STRICT;

CREATE TABLE approval (
  id INTEGER PRIMARY KEY,
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
  -- Sensitive paths the approver named, a JSON array.
  acknowledged TEXT NOT NULL DEFAULT '[]',
  created_at INTEGER NOT NULL,
  voided_at INTEGER,
  void_reason TEXT,
  CHECK ((entry_id IS NULL) != (request_id IS NULL))
) STRICT;
CREATE INDEX approval_entry ON approval (entry_id) WHERE entry_id IS NOT NULL;
CREATE INDEX approval_request ON approval (request_id) WHERE request_id IS NOT NULL;

CREATE TABLE receipt (
  entry_id INTEGER PRIMARY KEY REFERENCES entry (id),
  commit_id TEXT,
  landed_at INTEGER NOT NULL,
  body TEXT NOT NULL
) STRICT;
CREATE INDEX receipt_commit ON receipt (commit_id) WHERE commit_id IS NOT NULL;

CREATE TABLE dead_letter (
  id INTEGER PRIMARY KEY,
  entry_id INTEGER NOT NULL REFERENCES entry (id),
  reason_class TEXT NOT NULL CHECK (reason_class IN ('validation', 'apply', 'guard', 'ttl', 'attempts', 'infra')),
  error TEXT NOT NULL,
  report TEXT NOT NULL,
  failed_at INTEGER NOT NULL
) STRICT;
CREATE INDEX dead_letter_entry ON dead_letter (entry_id);

-- Guard results worth remembering: green ones, and red ones after their confirmation.
CREATE TABLE guard_memory (
  key TEXT PRIMARY KEY,
  output TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Landings between their point of no return and their end; a row that survives its process is recovered.
CREATE TABLE landing_journal (
  id TEXT PRIMARY KEY,
  record TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE request (
  request_id TEXT PRIMARY KEY,
  state TEXT NOT NULL CHECK (state IN ('needs_clarification', 'split', 'enqueued')),
  digest TEXT NOT NULL,
  body TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE assignment (
  task_id TEXT PRIMARY KEY,
  request_id TEXT NOT NULL REFERENCES request (request_id),
  body TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX assignment_request ON assignment (request_id);

-- Every prompt and answer, correlated by task.
CREATE TABLE agent_run (
  id INTEGER PRIMARY KEY,
  task_id TEXT NOT NULL,
  agent TEXT NOT NULL,
  model TEXT,
  outcome TEXT NOT NULL,
  prompt TEXT NOT NULL,
  answer TEXT NOT NULL,
  usage TEXT NOT NULL,
  started_at INTEGER NOT NULL,
  duration_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX agent_run_task ON agent_run (task_id);

-- A transition costs the pages it touches, one at least for each index it moves an entry in, and the rules it is
-- checked against. So there is one index where there were four, and no rule builds anything.

-- The same table, its rules word for word in meaning. For `IN (…)` with more than two values SQLite builds a table of
-- them at every run of a statement: that took three quarters of the time of an insert.
CREATE TABLE entry_new (
  id INTEGER PRIMARY KEY,
  cast_id TEXT NOT NULL,
  checksum TEXT NOT NULL,
  request_id TEXT NOT NULL,
  task_id TEXT NOT NULL,
  agent TEXT NOT NULL,
  payload_hash TEXT NOT NULL,
  generation INTEGER NOT NULL DEFAULT 1 CHECK (generation >= 1),
  state TEXT NOT NULL CHECK (
    state = 'pending' OR state = 'in_progress' OR state = 'verified' OR state = 'committing' OR state = 'applied'
    OR state = 'awaiting_approval' OR state = 'scheduled' OR state = 'conflict' OR state = 'failed'
    OR state = 'cancelled'),
  priority INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 9),
  -- Static: max(created_at, the agent's virtual time) - priority * aging. Lower goes first; nothing is ever re-sorted.
  rank INTEGER NOT NULL,
  -- Dependencies that have not landed yet.
  blockers INTEGER NOT NULL DEFAULT 0 CHECK (blockers >= 0),
  held INTEGER NOT NULL DEFAULT 0 CHECK (held = 0 OR held = 1),
  landing TEXT NOT NULL DEFAULT 'independent' CHECK (
    landing = 'independent' OR landing = 'in_order' OR landing = 'together'),
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
  CHECK (decided = (state = 'applied' OR state = 'conflict' OR state = 'failed' OR state = 'cancelled')),
  CHECK ((state = 'in_progress' OR state = 'committing') = (lease_owner IS NOT NULL)),
  CHECK ((lease_owner IS NULL) = (leased_until IS NULL)),
  CHECK ((state = 'scheduled') = (run_at IS NOT NULL))
) STRICT;
INSERT INTO entry_new SELECT * FROM entry;
-- With its indexes. What names it goes on naming it: foreign keys are off while this runs.
DROP TABLE entry;
ALTER TABLE entry_new RENAME TO entry;

CREATE UNIQUE INDEX entry_dedup ON entry (task_id, payload_hash, generation);
CREATE INDEX entry_expiry ON entry (expires_at) WHERE decided = 0;
CREATE INDEX entry_request ON entry (request_id);
CREATE INDEX entry_cast ON entry (cast_id);
CREATE INDEX entry_held ON entry (id) WHERE held = 1;
CREATE INDEX entry_awaiting ON entry (id) WHERE state = 'awaiting_approval';

-- Everything undecided by what it waits in, in the order in which its turn comes. In one index the end of the leased
-- and the beginning of the ready entries are neighbours: a lease moves a key within a page, however long the queue is.
CREATE INDEX entry_live ON entry (
  CASE WHEN state = 'pending' AND (blockers > 0 OR held = 1) THEN 'blocked' ELSE state END,
  coalesce(leased_until, run_at, rank),
  id
) WHERE decided = 0;

-- What git may lose and a landing must still be explained, undone and replayed from.

-- Content by its SHA-256: pre-images, post-images and patches of landings, files of adopted bases. Here and not in
-- files of their own: one transaction, one flush and one backup with the receipts they prove; equal content is stored
-- once. Never updated.
CREATE TABLE blob (
  hash TEXT PRIMARY KEY,
  size INTEGER NOT NULL CHECK (size >= 0),
  codec TEXT NOT NULL CHECK (codec IN ('raw', 'zstd')),
  data BLOB NOT NULL
) STRICT;

-- What an entry's landing does to each path; a hash is that of a blob, null where there is no file.
CREATE TABLE landing_effect (
  entry_id INTEGER NOT NULL REFERENCES entry (id),
  path TEXT NOT NULL,
  before_mode TEXT,
  before_hash TEXT,
  after_mode TEXT,
  after_hash TEXT,
  PRIMARY KEY (entry_id, path),
  CHECK ((before_mode IS NULL) = (before_hash IS NULL)),
  CHECK ((after_mode IS NULL) = (after_hash IS NULL))
) STRICT, WITHOUT ROWID;

-- A base that is not what the landing before it left: people's own commits, as the difference between the two trees.
CREATE TABLE base_checkpoint (
  tree TEXT PRIMARY KEY,
  -- The tree it is told from; the empty one for a whole tree.
  parent_tree TEXT NOT NULL,
  commit_id TEXT,
  -- Hash of the blob that lists the difference.
  manifest TEXT NOT NULL,
  -- 0: too large to be kept here; replaying it needs the repository.
  complete INTEGER NOT NULL CHECK (complete IN (0, 1)),
  audit_seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Folders that hold an entry's tree for a person to edit: what an amendment is compared with.
CREATE TABLE checkout (
  directory TEXT PRIMARY KEY,
  entry_id INTEGER NOT NULL REFERENCES entry (id),
  base_commit TEXT,
  base_tree TEXT NOT NULL,
  tree TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX audit_applied ON audit (seq) WHERE event = 'applied';

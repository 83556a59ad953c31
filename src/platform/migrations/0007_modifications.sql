-- What changed in the working tree while a worker looked on. Nothing of the queue depends on it, so it is not in the log.
CREATE TABLE file_modification (
  id INTEGER PRIMARY KEY,
  path TEXT NOT NULL,
  event TEXT NOT NULL CHECK (event IN ('added', 'modified', 'deleted')),
  source TEXT NOT NULL CHECK (source IN ('landing', 'foreign')),
  -- Of the file as it was seen: two workers that see the same change record it once.
  stamp TEXT NOT NULL,
  details TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX file_modification_path ON file_modification (path, id);

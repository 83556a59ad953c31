-- Entries that a person holds are few and shown by every status.
CREATE INDEX entry_held ON entry (id) WHERE held = 1;

-- Entries that wait for a person, in order; one of a queue rebuilt from its log has no proof to be found by.
CREATE INDEX entry_awaiting ON entry (id) WHERE state = 'awaiting_approval';

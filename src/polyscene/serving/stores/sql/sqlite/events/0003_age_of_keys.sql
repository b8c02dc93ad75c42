-- oldest: 2
-- Keys of batches are forgotten with the events that came under them. A server that knows no `at` leaves it to
-- the default, which SQLite takes only in a new table.
CREATE TABLE dated_batches (
  number     INTEGER PRIMARY KEY,
  key        TEXT UNIQUE,
  digest     BLOB NOT NULL,
  accepted   INTEGER NOT NULL,
  duplicates INTEGER NOT NULL,
  last       INTEGER NOT NULL,
  at         INTEGER NOT NULL DEFAULT (unixepoch() * 1000000)
);

INSERT INTO dated_batches (number, key, digest, accepted, duplicates, last)
SELECT number, key, digest, accepted, duplicates, last FROM batches;

DROP TABLE batches;

ALTER TABLE dated_batches RENAME TO batches;

CREATE INDEX batches_by_age ON batches (at);

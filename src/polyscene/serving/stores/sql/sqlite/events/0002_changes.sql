CREATE TABLE log (
  identity  TEXT NOT NULL,
  forgotten INTEGER NOT NULL DEFAULT 0
);

INSERT INTO log (identity) VALUES (lower(hex(randomblob(16))));

CREATE TABLE changes (
  place    INTEGER PRIMARY KEY,
  id       TEXT UNIQUE,
  kind     TEXT NOT NULL,
  scenario TEXT NOT NULL,
  name     TEXT NOT NULL,
  fields   BLOB
);

CREATE INDEX changes_by_name ON changes (kind, name);

DROP TABLE runs;

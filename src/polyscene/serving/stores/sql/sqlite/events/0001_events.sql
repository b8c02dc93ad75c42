PRAGMA application_id = 1349734774;

CREATE TABLE batches (
  number     INTEGER PRIMARY KEY,
  key        TEXT UNIQUE,
  digest     BLOB NOT NULL,
  accepted   INTEGER NOT NULL,
  duplicates INTEGER NOT NULL,
  last       INTEGER NOT NULL
);

CREATE TABLE events (
  place    INTEGER PRIMARY KEY,
  id       TEXT UNIQUE,
  user     TEXT NOT NULL,
  item     TEXT NOT NULL,
  scenario TEXT NOT NULL,
  action   TEXT NOT NULL,
  value    REAL,
  time     INTEGER
);

CREATE INDEX events_by_user ON events (user);

CREATE TABLE runs (
  run  TEXT PRIMARY KEY,
  last INTEGER NOT NULL
);

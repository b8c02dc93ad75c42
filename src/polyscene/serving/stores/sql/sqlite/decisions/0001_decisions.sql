PRAGMA application_id = 1349734775;

CREATE TABLE decisions (
  number   INTEGER PRIMARY KEY,
  id       TEXT NOT NULL UNIQUE,
  time     INTEGER NOT NULL,
  user     TEXT NOT NULL,
  scenario TEXT NOT NULL,
  run      TEXT NOT NULL,
  position INTEGER NOT NULL,
  candidates BLOB NOT NULL,
  scores   BLOB NOT NULL,
  details  BLOB NOT NULL
);

CREATE INDEX decisions_by_user ON decisions (user);

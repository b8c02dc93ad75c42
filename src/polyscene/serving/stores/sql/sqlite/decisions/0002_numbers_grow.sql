CREATE TABLE kept (
  number   INTEGER PRIMARY KEY AUTOINCREMENT,
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

INSERT INTO kept SELECT * FROM decisions;

DROP TABLE decisions;

ALTER TABLE kept RENAME TO decisions;

CREATE INDEX decisions_by_user ON decisions (user);

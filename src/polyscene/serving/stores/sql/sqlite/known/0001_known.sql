PRAGMA application_id = 1349734776;

CREATE TABLE log (
  identity TEXT NOT NULL,
  complete INTEGER NOT NULL
);

CREATE TABLE fields (
  kind     TEXT NOT NULL,
  scenario TEXT NOT NULL,
  name     TEXT NOT NULL,
  fields   BLOB,
  PRIMARY KEY (kind, scenario, name)
);

CREATE TABLE vectors (
  key    BLOB PRIMARY KEY,
  vector BLOB NOT NULL
);

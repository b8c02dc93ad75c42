CREATE TABLE log (
  identity  text   NOT NULL,
  last      bigint NOT NULL DEFAULT 0,
  forgotten bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 20);

INSERT INTO log (identity) VALUES (replace(gen_random_uuid()::text, '-', ''));

CREATE TABLE batches (
  key        text COLLATE "C" PRIMARY KEY,
  digest     bytea  NOT NULL,
  accepted   bigint NOT NULL,
  duplicates bigint NOT NULL,
  last       bigint NOT NULL
);

CREATE TABLE events (
  place    bigint PRIMARY KEY,
  id       text COLLATE "C" UNIQUE,
  user_id  text COLLATE "C" NOT NULL,
  item     text COLLATE "C" NOT NULL,
  scenario text COLLATE "C" NOT NULL,
  action   text COLLATE "C" NOT NULL,
  value    double precision,
  time     bigint
);

CREATE INDEX events_by_user ON events (user_id);

CREATE TABLE changes (
  place    bigint PRIMARY KEY,
  id       text COLLATE "C" UNIQUE,
  kind     text COLLATE "C" NOT NULL,
  scenario text COLLATE "C" NOT NULL,
  name     text COLLATE "C" NOT NULL,
  fields   text COLLATE "C"
);

CREATE INDEX changes_by_name ON changes (kind, name);

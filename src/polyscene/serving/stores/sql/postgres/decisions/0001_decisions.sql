CREATE TABLE decision_numbers (
  last bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 20);

INSERT INTO decision_numbers DEFAULT VALUES;

CREATE TABLE decisions (
  number     bigint PRIMARY KEY,
  id         text COLLATE "C" NOT NULL UNIQUE,
  time       bigint NOT NULL,
  user_id    text COLLATE "C" NOT NULL,
  scenario   text COLLATE "C" NOT NULL,
  run        text COLLATE "C" NOT NULL,
  position   bigint NOT NULL,
  candidates bytea NOT NULL,
  scores     bytea NOT NULL,
  details    text COLLATE "C" NOT NULL
);

CREATE INDEX decisions_by_user ON decisions (user_id, number);

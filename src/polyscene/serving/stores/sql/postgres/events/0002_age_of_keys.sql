-- oldest: 1
-- Keys of batches are forgotten with the events that came under them. A server that knows no `at` leaves it to
-- the default, and both statements take moments however many keys there are.
ALTER TABLE batches ADD COLUMN at bigint NOT NULL DEFAULT (extract(epoch FROM now()) * 1000000)::bigint;

CREATE INDEX batches_by_age ON batches USING brin (at);

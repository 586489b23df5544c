-- What both ends of a migration have for as long as it is not over, and the source for ever. A store
-- that was never moved has no such table.
CREATE TABLE moving (
    one         BIGINT PRIMARY KEY CHECK (one = 1),
    role        TEXT   NOT NULL CHECK (role IN ('source', 'target')),
    move_id     TEXT   NOT NULL,
    other       TEXT   NOT NULL,
    begun_at    BIGINT NOT NULL,
    finished_at BIGINT CHECK (finished_at IS NULL OR role = 'source')
)

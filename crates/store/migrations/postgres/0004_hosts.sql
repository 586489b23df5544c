-- What several hosts on one server need: what a host has and what work asks of it, when a silent host's
-- lease is over, and which versions get along.

-- Labels of a dispatcher: a list, as JSON.
ALTER TABLE dispatchers ADD COLUMN labels TEXT NOT NULL DEFAULT '[]';
-- Which schema it was written for. One that does not say so knows the one before this.
ALTER TABLE dispatchers ADD COLUMN schema_version BIGINT NOT NULL DEFAULT 3;
-- Which labels a task asks of the dispatcher that runs it: a list, as JSON.
ALTER TABLE tasks ADD COLUMN requires TEXT NOT NULL DEFAULT '[]';
-- The oldest schema version whose programs read and write these tables rightly.
ALTER TABLE store ADD COLUMN compatible_from BIGINT NOT NULL DEFAULT 4;

-- The leases that end next, of runs that are open.
CREATE INDEX open_runs_by_lease ON runs (lease_until) WHERE ended_at IS NULL;

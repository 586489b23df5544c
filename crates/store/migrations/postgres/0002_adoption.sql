-- What adoption needs: which dispatcher is dead is proved by its whole identity, and each adoption
-- of a run raises its epoch. A dispatcher of version 1 left zeros, which match no process.
ALTER TABLE runs ADD COLUMN epoch BIGINT NOT NULL DEFAULT 1 CHECK (epoch >= 1);
ALTER TABLE dispatchers ADD COLUMN pid_namespace BIGINT NOT NULL DEFAULT 0;
ALTER TABLE dispatchers ADD COLUMN start_ticks BIGINT NOT NULL DEFAULT 0;
ALTER TABLE dispatchers ADD COLUMN inode BIGINT NOT NULL DEFAULT 0;

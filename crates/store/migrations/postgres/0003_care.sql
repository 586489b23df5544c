-- What explaining, freeing and planning need: since when a task stands where it stands, its place
-- in the order, its lane, how links are met, who paused what, what is told to hooks.

-- Events of the store as a whole belong to no task. A run may be cleared away before its events are.
ALTER TABLE events ALTER COLUMN task_id DROP NOT NULL;
ALTER TABLE events DROP CONSTRAINT events_run_id_fkey;

-- When it came to its status.
ALTER TABLE tasks ADD COLUMN since BIGINT NOT NULL DEFAULT 0;
-- From when its place in the order is counted: its adding, or the time it was not to start before.
ALTER TABLE tasks ADD COLUMN queued_at BIGINT NOT NULL DEFAULT 0;
-- The skills it requires and its limit key with its limit, in one text; empty where it has neither.
ALTER TABLE tasks ADD COLUMN lane TEXT NOT NULL DEFAULT '';
ALTER TABLE tasks ADD COLUMN limit_key TEXT;
ALTER TABLE tasks ADD COLUMN key_limit BIGINT
    CHECK ((key_limit IS NULL) = (limit_key IS NULL) AND (key_limit IS NULL OR key_limit >= 1));
ALTER TABLE tasks ADD COLUMN paused_at BIGINT;
-- How often its worker blocked it since it last came to an end.
ALTER TABLE tasks ADD COLUMN blocks BIGINT NOT NULL DEFAULT 0;
-- What a person said who completed it: a report, as JSON.
ALTER TABLE tasks ADD COLUMN result TEXT;
ALTER TABLE tasks ADD COLUMN created_by TEXT NOT NULL DEFAULT '';
-- The run whose worker added it; it may be cleared away before the task is.
ALTER TABLE tasks ADD COLUMN created_by_run BIGINT;
ALTER TABLE tasks ADD COLUMN recurrence TEXT;
-- The first task of its series, where it recurs.
ALTER TABLE tasks ADD COLUMN series_id BIGINT;
UPDATE tasks SET since = updated_at, queued_at = created_at,
    lane = CASE skills WHEN '[]' THEN '' ELSE '{"skills":' || skills || '}' END;

ALTER TABLE task_links ADD COLUMN kind TEXT NOT NULL DEFAULT 'success'
    CHECK (kind IN ('success', 'any_end', 'failure'));
-- When the parent ended as the link asks; from then on the child does not wait for it.
ALTER TABLE task_links ADD COLUMN met_at BIGINT;
UPDATE task_links
SET met_at = (SELECT t.updated_at FROM tasks t WHERE t.id = parent_id AND t.status = 'done');

-- How many tasks its worker added; bounded, because a worker may go round in a circle.
ALTER TABLE runs ADD COLUMN added BIGINT NOT NULL DEFAULT 0;
-- Who gets the task when a reclaim that was asked is carried out.
ALTER TABLE runs ADD COLUMN ask_assignee TEXT CHECK (ask_assignee IS NULL OR ask = 'reclaim');

-- From when a dispatcher takes nothing new because it was asked to, and which profiles it holds
-- back: a list, as JSON.
ALTER TABLE dispatchers ADD COLUMN drain_at BIGINT;
ALTER TABLE dispatchers ADD COLUMN held TEXT NOT NULL DEFAULT '[]';

-- What may not start: `store`, or `profile:NAME`.
CREATE TABLE pauses (
    what      TEXT   PRIMARY KEY,
    paused_by TEXT   NOT NULL,
    reason    TEXT,
    paused_at BIGINT NOT NULL
);

-- How many runs ended how on a day (days since 1970, UTC), and how long they took together.
CREATE TABLE tallies (
    day     BIGINT NOT NULL,
    profile TEXT   NOT NULL,
    outcome TEXT   NOT NULL,
    runs    BIGINT NOT NULL,
    run_ms  BIGINT NOT NULL,
    PRIMARY KEY (day, profile, outcome)
);

-- Up to which event hooks were told, and which dispatcher tells them until when.
CREATE TABLE hook_cursor (
    one           BIGINT PRIMARY KEY CHECK (one = 1),
    event_id      BIGINT NOT NULL,
    dispatcher_id TEXT   NOT NULL,
    held_until    BIGINT NOT NULL
);

-- An hour of waiting is worth a point of priority, so that nothing starves.
DROP INDEX ready_by_profile;
DROP INDEX ready_by_batch;
DROP INDEX running_by_profile;
CREATE INDEX ready_by_lane ON tasks (assignee, lane, (queued_at - priority * 3600000), id)
    WHERE status = 'ready' AND paused_at IS NULL;
CREATE INDEX ready_by_batch ON tasks (batch_id, assignee, lane, (queued_at - priority * 3600000), id)
    WHERE status = 'ready' AND paused_at IS NULL;
-- What is paused has no time that comes.
DROP INDEX scheduled_by_time;
CREATE INDEX scheduled_by_time ON tasks (not_before)
    WHERE status = 'scheduled' AND paused_at IS NULL;
CREATE INDEX ready_since ON tasks (since) WHERE status = 'ready';
CREATE INDEX blocked_since ON tasks (since) WHERE status = 'blocked' AND archived_at IS NULL;
CREATE INDEX tasks_by_assignee ON tasks (assignee, status, id);
CREATE INDEX tasks_by_series ON tasks (series_id, id) WHERE series_id IS NOT NULL;
CREATE INDEX going_on ON tasks (series_id, id)
    WHERE series_id IS NOT NULL AND status IN ('todo', 'scheduled', 'ready', 'running');
CREATE INDEX paused_tasks ON tasks (id) WHERE paused_at IS NOT NULL;
CREATE INDEX archived_tasks ON tasks (archived_at) WHERE archived_at IS NOT NULL;
-- What goes badly just now.
CREATE INDEX troubled ON tasks (id)
    WHERE failures + violations + defers + benign + lost + blocks > 0
      AND status NOT IN ('done', 'cancelled');
CREATE INDEX tasks_by_run ON tasks (current_run_id) WHERE current_run_id IS NOT NULL;
CREATE INDEX closed_runs ON runs (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX unverified_runs ON runs (run_id) WHERE tree_unverified = 1;
CREATE INDEX comments_by_run ON comments (run_id) WHERE run_id IS NOT NULL;
-- Who still waits for whom.
CREATE INDEX unmet_links ON task_links (parent_id, child_id) WHERE met_at IS NULL;

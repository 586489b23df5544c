-- The next one of a series: what is wanted of it as its predecessor has it, and nothing of what befell that.
INSERT INTO tasks (name, title, body, assignee, command, cwd, env, skills, limits, priority, status,
                   pending_parents, not_before, created_at, updated_at, since, queued_at, lane,
                   limit_key, key_limit, created_by, recurrence, series_id,
                   requires)
SELECT name, title, body, assignee, command, cwd, env, skills, limits, priority, $2,
       0, $3, $4, $4, $4, $3, lane, limit_key, key_limit, created_by, recurrence, series_id,
       requires
FROM tasks WHERE id = $1
RETURNING id AS number

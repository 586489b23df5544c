-- How many tasks of each profile are ready, run and are blocked, one step of the index for each profile.
WITH RECURSIVE profiles (assignee) AS (
    SELECT min(assignee) FROM tasks
    UNION ALL
    SELECT (SELECT min(t.assignee) FROM tasks AS t WHERE t.assignee > profiles.assignee)
    FROM profiles WHERE profiles.assignee IS NOT NULL
)
SELECT assignee AS profile,
       (SELECT count(*) FROM tasks AS t
        WHERE t.assignee = profiles.assignee AND t.status = 'ready') AS ready,
       (SELECT count(*) FROM tasks AS t
        WHERE t.assignee = profiles.assignee AND t.status = 'running') AS running,
       (SELECT count(*) FROM tasks AS t
        WHERE t.assignee = profiles.assignee AND t.status = 'blocked'
          AND t.archived_at IS NULL) AS blocked
FROM profiles WHERE assignee IS NOT NULL

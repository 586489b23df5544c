-- Whose runs ended since a time, of which profiles and with which limit keys; of the newest so many.
SELECT DISTINCT r.dispatcher_id, r.profile, t.limit_key
FROM (SELECT task_id, dispatcher_id, profile FROM runs
      WHERE ended_at IS NOT NULL AND ended_at > $1
      ORDER BY ended_at DESC LIMIT $2) AS r
JOIN tasks AS t ON t.id = r.task_id

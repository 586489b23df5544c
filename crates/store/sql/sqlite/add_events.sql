-- All events of a transaction, in their order.
INSERT INTO events (task_id, run_id, kind, at, payload)
SELECT value ->> '$.task', value ->> '$.run', value ->> '$.kind', $2, value ->> '$.payload'
FROM json_each($1) ORDER BY key

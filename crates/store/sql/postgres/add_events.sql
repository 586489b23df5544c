-- All events of a transaction, in their order. Writers take turns from here to their commit: an
-- event must not become visible after one with a higher id, or whoever follows would miss it. Whoever
-- watches is told at the commit.
WITH turn AS MATERIALIZED (SELECT pg_advisory_xact_lock(7092417533014016372)),
told AS MATERIALIZED (
    SELECT pg_notify('tenure_' || store.instance_id, $3) FROM store
)
INSERT INTO events (task_id, run_id, kind, at, payload)
SELECT CAST(value ->> 'task' AS BIGINT), CAST(value ->> 'run' AS BIGINT), value ->> 'kind', $2,
       value ->> 'payload'
FROM turn, told, json_array_elements(CAST($1 AS JSON)) WITH ORDINALITY AS element (value, place)
ORDER BY place

-- Who counts what runs of a capped profile, or with a limit key, is alone with that until its commit. Each
-- has a lock of its own, and everybody takes them in one order.
SELECT count(pg_advisory_xact_lock(locks.lock)) AS number
FROM (SELECT DISTINCT hashtextextended('tenure ' || wanted.name, 0) AS lock
      FROM json_array_elements_text(CAST($1 AS JSON)) AS wanted (name)
      ORDER BY lock) AS locks

-- Two dispatchers must not count the running tasks of a capped profile at the same time.
SELECT CAST(pg_advisory_xact_lock(hashtextextended('tenure profile ' || $1, 0)) AS TEXT) AS profile

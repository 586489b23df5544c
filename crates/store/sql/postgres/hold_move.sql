-- One migration at a time, until the connection ends: 1 where nobody else had it.
SELECT CAST(CAST(pg_try_advisory_lock(7092417533014016374) AS INT) AS BIGINT) AS number

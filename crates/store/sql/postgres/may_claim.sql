-- Whether a claim could find something: the poll of an idle dispatcher, one statement that writes nothing.
SELECT CAST(CAST(EXISTS (SELECT 1 FROM tasks WHERE status = 'ready')
              OR EXISTS (SELECT 1 FROM tasks WHERE status = 'scheduled'
                         AND not_before <= coalesce(CAST($1 AS BIGINT),
                                 CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)))
            AS INT) AS BIGINT) AS number

-- Whether a claim could find something: the poll of an idle dispatcher, one statement that writes nothing.
SELECT CAST(EXISTS (SELECT 1 FROM tasks WHERE status = 'ready')
         OR EXISTS (SELECT 1 FROM tasks WHERE status = 'scheduled'
                    AND not_before <= coalesce($1, CAST(unixepoch('subsec') * 1000 AS INTEGER)))
       AS INTEGER) AS number

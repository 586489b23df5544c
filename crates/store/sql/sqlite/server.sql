-- A file has no server.
SELECT 1 AS number WHERE 0

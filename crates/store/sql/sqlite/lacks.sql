-- A file has no roles: nothing is missing.
SELECT 1 AS number WHERE 0

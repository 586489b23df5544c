-- A file wants nothing of the kind.
SELECT 1 AS number

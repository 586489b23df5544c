-- The lock on the file beside the store is lock enough.
SELECT 1 AS number

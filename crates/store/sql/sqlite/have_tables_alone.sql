-- The write transaction is lock enough.
SELECT 1 AS number

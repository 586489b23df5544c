-- The one writer of SQLite is alone in its transaction: it has its turn already.
SELECT 1 AS number

-- The one writer of SQLite is alone in its transaction: there is nothing to lock.
SELECT $1 AS profile

-- The one writer of SQLite is alone in its transaction: there is nothing to lock.
SELECT json_array_length($1) AS number

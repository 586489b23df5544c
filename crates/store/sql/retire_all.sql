-- Whoever gets the lock of a SQLite store knows that every other dispatcher of it is dead.
UPDATE dispatchers SET retired_at = $1 WHERE retired_at IS NULL

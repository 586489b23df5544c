-- Waits until nobody writes who knows the tables as they are, and keeps them from it.
SELECT count(*) AS number FROM pg_advisory_xact_lock(7092417533014016375)

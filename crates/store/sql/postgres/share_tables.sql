-- Whoever writes shares the tables as they are with others who write.
SELECT count(*) AS number FROM pg_advisory_xact_lock_shared(7092417533014016375)

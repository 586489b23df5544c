-- One at a time looks whether a wait would close a circle, and adds it.
SELECT count(*) AS number FROM pg_advisory_xact_lock(7092417533014016374)

-- One at a time creates the tables or changes them.
SELECT count(*) AS number FROM pg_advisory_xact_lock(7092417533014016373)

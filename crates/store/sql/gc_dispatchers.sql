-- How many dispatchers signed off before a time, or died without a word before another, and hold nothing; the last that was there stays.
SELECT count(*) AS number FROM dispatchers d
WHERE (d.retired_at < $1 OR (d.retired_at IS NULL AND d.seen_at < $2))
  AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.dispatcher_id = d.id AND r.ended_at IS NULL)
  AND EXISTS (SELECT 1 FROM dispatchers later
              WHERE coalesce(later.retired_at, later.seen_at) > coalesce(d.retired_at, d.seen_at))

-- Dispatchers that signed off before a time, or died without a word before another, and hold nothing; the last that was there stays, so
-- that a store that was served never says that it was not.
DELETE FROM dispatchers
WHERE (retired_at < $1 OR (retired_at IS NULL AND seen_at < $2))
  AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.dispatcher_id = dispatchers.id AND r.ended_at IS NULL)
  AND EXISTS (SELECT 1 FROM dispatchers later
              WHERE coalesce(later.retired_at, later.seen_at)
                  > coalesce(dispatchers.retired_at, dispatchers.seen_at))

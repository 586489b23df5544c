-- Dispatchers that signed off before a time and hold nothing.
DELETE FROM dispatchers
WHERE retired_at < $1
  AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.dispatcher_id = dispatchers.id AND r.ended_at IS NULL)

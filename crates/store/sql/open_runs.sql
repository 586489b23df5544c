-- How many open runs each dispatcher has. Every id is greater than nothing: so said, the index of open
-- runs is searched, however many are closed.
SELECT dispatcher_id, count(*) AS number FROM runs
WHERE ended_at IS NULL AND dispatcher_id > ''
GROUP BY dispatcher_id

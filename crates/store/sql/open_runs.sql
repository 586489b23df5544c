-- How many open runs each dispatcher has, and when it claimed the last. Every id is greater than nothing: so said, the index of open
-- runs is searched, however many are closed.
SELECT dispatcher_id, count(*) AS number, max(claimed_at) AS newest FROM runs
WHERE ended_at IS NULL AND dispatcher_id > ''
GROUP BY dispatcher_id

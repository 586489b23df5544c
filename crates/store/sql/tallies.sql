-- How many runs ended how since a day, and how long they took together.
SELECT profile, outcome, CAST(sum(runs) AS BIGINT) AS runs, CAST(sum(run_ms) AS BIGINT) AS run_ms
FROM tallies WHERE day >= $1
GROUP BY profile, outcome ORDER BY profile, outcome

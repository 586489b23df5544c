-- The ends of a transaction, counted with those of their day.
INSERT INTO tallies (day, profile, outcome, runs, run_ms)
SELECT $2, value ->> 'profile', value ->> 'outcome', CAST(value ->> 'runs' AS BIGINT),
       CAST(value ->> 'run_ms' AS BIGINT)
FROM json_array_elements(CAST($1 AS JSON))
ON CONFLICT (day, profile, outcome)
DO UPDATE SET runs = tallies.runs + excluded.runs, run_ms = tallies.run_ms + excluded.run_ms

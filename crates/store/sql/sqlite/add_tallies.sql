-- The ends of a transaction, counted with those of their day. Without its condition SQLite would take
-- the conflict's clause for a join's.
INSERT INTO tallies (day, profile, outcome, runs, run_ms)
SELECT $2, value ->> '$.profile', value ->> '$.outcome', value ->> '$.runs', value ->> '$.run_ms'
FROM json_each($1) WHERE true
ON CONFLICT (day, profile, outcome)
DO UPDATE SET runs = tallies.runs + excluded.runs, run_ms = tallies.run_ms + excluded.run_ms

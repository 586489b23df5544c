-- A task that is held though no run is open; 0 where there is none. Every run's id is greater than
-- nothing: so said, the index of held tasks is searched.
SELECT coalesce(min(id), 0) AS number FROM tasks WHERE current_run_id > 0

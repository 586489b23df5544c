-- The first one of a series names it.
UPDATE tasks SET series_id = id WHERE id = $1

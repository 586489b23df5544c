-- Which end of which migration this is.
SELECT role, move_id, other, begun_at, finished_at FROM moving

-- Says which end of which migration this is, and where the other one is.
INSERT INTO moving (one, role, move_id, other, begun_at) VALUES (1, $1, $2, $3, $4)

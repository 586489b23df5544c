-- Tasks that were submitted together.
INSERT INTO batches (source, created_at) VALUES ($1, $2) RETURNING id AS number

-- A task waits for one more, as its worker said, though it may have waited for that one before.
INSERT INTO task_links (parent_id, child_id, kind) VALUES ($1, $2, $3)
ON CONFLICT (parent_id, child_id) DO UPDATE SET kind = excluded.kind, met_at = NULL

-- The child waits for the parent, or would have: it ended already as the link asks.
INSERT INTO task_links (parent_id, child_id, kind, met_at) VALUES ($1, $2, $3, $4)

-- The child waits for the parent.
INSERT INTO task_links (parent_id, child_id) VALUES ($1, $2)

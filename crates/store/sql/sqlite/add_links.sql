-- Each child waits for its parent, or would have: it ended already as the link asks.
INSERT INTO task_links (parent_id, child_id, kind, met_at)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each($1)

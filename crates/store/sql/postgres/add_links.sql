-- Each child waits for its parent, or would have: it ended already as the link asks.
INSERT INTO task_links (parent_id, child_id, kind, met_at)
SELECT CAST(link ->> 0 AS BIGINT), CAST(link ->> 1 AS BIGINT), link ->> 2, CAST(link ->> 3 AS BIGINT)
FROM json_array_elements(CAST($1 AS JSON)) AS element (link)

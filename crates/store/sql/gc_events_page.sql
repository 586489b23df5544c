-- The end of the next page of events, and the time of its newest.
SELECT max(id) AS last, max(at) AS newest FROM
    (SELECT id, at FROM events WHERE id > $1 ORDER BY id LIMIT $2) AS page

-- When a dispatcher gave its last sign of life.
SELECT seen_at AS number FROM dispatchers WHERE id = $1

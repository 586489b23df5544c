-- Since when a dispatcher is asked to take nothing new.
SELECT drain_at AS number FROM dispatchers WHERE id = $1 AND drain_at IS NOT NULL

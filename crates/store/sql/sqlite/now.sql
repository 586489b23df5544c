-- The store's clock, in milliseconds since 1970.
SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER) AS number

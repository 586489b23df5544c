-- The store's clock, in milliseconds since 1970.
SELECT CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS BIGINT) AS number

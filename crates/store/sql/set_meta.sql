-- Names a new store for ever; a migration only raises its version, and says who may use the tables.
INSERT INTO store (one, instance_id, schema_version, compatible_from) VALUES (1, $1, $2, $3)
ON CONFLICT (one) DO UPDATE
SET schema_version = excluded.schema_version, compatible_from = excluded.compatible_from

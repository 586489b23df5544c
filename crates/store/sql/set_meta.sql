-- Names a new store for ever; a migration only raises its version.
INSERT INTO store (one, instance_id, schema_version) VALUES (1, $1, $2)
ON CONFLICT (one) DO UPDATE SET schema_version = excluded.schema_version

-- Which store this is, and which version of the tables it has.
SELECT instance_id, schema_version FROM store

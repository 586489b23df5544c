-- Which version the tables have, and the oldest one whose programs may write to them.
SELECT schema_version, compatible_from FROM store

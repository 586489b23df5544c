-- Whose database this is: the application id says so, and an empty one is nobody's; and whether it is
-- one end of a migration.
SELECT (SELECT count(*) FROM pragma_application_id WHERE application_id = 1952804469) AS ours,
       (SELECT count(*) FROM sqlite_schema) AS tables,
       (SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'moving') AS moving

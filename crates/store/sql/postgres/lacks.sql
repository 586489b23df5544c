-- What our role may not do with our tables and should: what `store` says is changed by their owner.
SELECT CAST(tables.relname AS TEXT) AS relation, needed.privilege
FROM pg_class AS tables,
     (VALUES ('SELECT'), ('INSERT'), ('UPDATE'), ('DELETE')) AS needed (privilege)
WHERE tables.relnamespace = to_regnamespace(quote_ident(current_schema())) AND tables.relkind = 'r'
  AND (tables.relname <> 'store' OR needed.privilege = 'SELECT')
  AND NOT has_table_privilege(tables.oid, needed.privilege)
ORDER BY relation, privilege

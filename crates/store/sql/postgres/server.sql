-- What the server is, how it keeps what it was given, and what our role may do there.
SELECT current_setting('server_version') AS version,
       CAST(current_setting('server_version_num') AS BIGINT) AS version_number,
       CAST(role.rolname AS TEXT) AS role,
       role.rolsuper AS is_superuser,
       role.rolcreatedb OR role.rolcreaterole OR role.rolreplication AS makes_others,
       role.rolbypassrls AS bypasses_rows,
       coalesce(pg_has_role(role.oid, tables.relowner, 'USAGE'), false) AS owns_tables,
       coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS is_encrypted,
       coalesce(inet_client_addr() <<= '127.0.0.0/8' OR inet_client_addr() = '::1'
                OR inet_client_addr() = inet_server_addr(), true) AS is_local,
       current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on' AS is_durable,
       current_setting('synchronous_commit') <> 'off' AS waits_for_disk,
       CAST(current_setting('max_connections') AS BIGINT)
           - CAST(current_setting('superuser_reserved_connections') AS BIGINT) AS connections,
       CAST(role.rolconnlimit AS BIGINT) AS connections_of_role
FROM pg_roles AS role LEFT JOIN pg_class AS tables ON tables.oid = to_regclass('store')
WHERE role.rolname = current_user

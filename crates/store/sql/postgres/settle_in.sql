-- What a connection wants of the server beyond its start-up options, as far as this server knows
-- it: a client that is gone, or cut off, is noticed within some seconds, and keeps no locks.
SELECT set_config(name, value, false)
FROM (VALUES ('tcp_keepalives_idle', '5'), ('tcp_keepalives_interval', '2'),
             ('tcp_keepalives_count', '3'), ('tcp_user_timeout', '10000'),
             ('client_connection_check_interval', '1000')) AS wanted (name, value)
WHERE current_setting(name, true) IS NOT NULL
  AND (name <> 'client_connection_check_interval' OR version() LIKE '%linux%')

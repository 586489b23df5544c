-- Whose some idempotency keys are.
SELECT id, idempotency_key, fingerprint, batch_id FROM tasks
WHERE idempotency_key IN (SELECT value FROM json_each($1))

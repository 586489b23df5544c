-- Whose an idempotency key is.
SELECT id, fingerprint, batch_id FROM tasks WHERE idempotency_key = $1

-- Whose an idempotency key is.
SELECT id, fingerprint FROM tasks WHERE idempotency_key = $1

-- Whose some idempotency keys are.
SELECT id, idempotency_key, fingerprint, batch_id FROM tasks
WHERE idempotency_key = ANY (ARRAY(SELECT json_array_elements_text(CAST($1 AS JSON))))

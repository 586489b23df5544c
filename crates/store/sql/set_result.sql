-- What a person says came of it.
UPDATE tasks SET result = $2 WHERE id = $1

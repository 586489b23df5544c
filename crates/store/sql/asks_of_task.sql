-- What a task asks of whoever runs it.
SELECT lane, command, env, limits, recurrence FROM tasks WHERE id = $1

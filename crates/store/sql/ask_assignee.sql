-- Who gets the task when the reclaim that stands is carried out.
UPDATE runs SET ask_assignee = $2 WHERE run_id = $1 AND ended_at IS NULL AND ask = 'reclaim'

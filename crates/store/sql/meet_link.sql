-- The parent ended as the link asks. From now on it says nothing more, whatever becomes of the parent.
UPDATE task_links SET met_at = $3 WHERE parent_id = $1 AND child_id = $2

-- Which profiles a dispatcher holds back.
UPDATE dispatchers SET held = $2 WHERE id = $1

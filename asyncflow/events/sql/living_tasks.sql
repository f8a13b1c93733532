-- A run's tasks that have not ended, in order of creation.
SELECT task, step, status, attempt, coalesce(started_at, launched_at), pid, place
FROM tasks
WHERE run = ? AND status IN ('created', 'running', 'waiting')
ORDER BY task

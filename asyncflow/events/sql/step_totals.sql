-- What is known of each step of a run as a whole, steps in order of their first task.
SELECT
    step,
    min(task),
    sum(status = 'created'), sum(status = 'running'), sum(status = 'waiting'), sum(status = 'succeeded'),
    sum(status = 'caught'), sum(status = 'failed'), sum(status = 'cancelled'), sum(status = 'cloned'),
    coalesce(sum(CASE WHEN status NOT IN ('created', 'running', 'waiting') THEN width END), 0),
    min(launched_at),
    max(ended_at),
    coalesce(sum(CASE WHEN status IN ('succeeded', 'caught', 'failed') THEN ended_at - started_at END), 0),
    coalesce(max(CASE WHEN status IN ('succeeded', 'caught', 'failed') THEN ended_at - started_at END), 0)
FROM tasks
WHERE run = ?
GROUP BY step
ORDER BY min(task)

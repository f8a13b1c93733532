-- The first tasks that start from a task's result.
SELECT
    run, task, step, path, iteration, parent_run, parent_task, parent_attempt, scope, position, closes, created_at,
    origin_run, origin_task, origin_attempt, status, attempt, launched_at, started_at, ended_at, pid, place, width,
    chosen, error_type, error_message, error_traceback, cpu_s, max_rss_bytes
FROM tasks
WHERE run = :run AND parent_task = :task AND parent_run = :run
ORDER BY task
LIMIT :limit

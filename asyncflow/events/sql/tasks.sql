-- A run's tasks in order of creation, perhaps of one step or status only.
SELECT
    run, task, step, path, iteration, parent_run, parent_task, parent_attempt, scope, position, closes, created_at,
    origin_run, origin_task, origin_attempt, status, attempt, launched_at, started_at, ended_at, pid, place, width,
    chosen, error_type, error_message, error_traceback, cpu_s, max_rss_bytes
FROM tasks
WHERE run = :run
  AND (:step IS NULL OR step = :step)
  AND (:status IS NULL OR status = :status)
ORDER BY task

-- A page of a run's tasks. Those that need attention come first, or the longest, or the first ones.
SELECT
    run, task, step, path, iteration, parent_run, parent_task, parent_attempt, scope, position, closes, created_at,
    origin_run, origin_task, origin_attempt, status, attempt, launched_at, started_at, ended_at, pid, place, width,
    chosen, error_type, error_message, error_traceback, cpu_s, max_rss_bytes
FROM tasks
WHERE run = :run
  AND (:step IS NULL OR step = :step)
  AND (:status IS NULL OR status = :status)
  AND (:text IS NULL OR instr(lower(
        step || '/' || task || ' [' || path || '] ' || status || ' ' || coalesce(error_type, '') || ' '
        || coalesce(error_message, '')
      ), :text) > 0)
ORDER BY
    CASE :sort
        WHEN 'attention' THEN CASE status
            WHEN 'failed' THEN 0 WHEN 'running' THEN 1 WHEN 'waiting' THEN 2 WHEN 'caught' THEN 3
            WHEN 'created' THEN 4 ELSE 5 END
        WHEN 'longest' THEN -coalesce(coalesce(ended_at, :now) - coalesce(started_at, launched_at), 0)
        ELSE 0
    END,
    task
LIMIT :limit OFFSET :offset

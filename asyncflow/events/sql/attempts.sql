-- A task's attempts that did not succeed.
SELECT
    run, task, number, status, launched_at, started_at, ended_at, pid, place, error_type, error_message,
    error_traceback, cpu_s, max_rss_bytes
FROM attempts
WHERE run = ? AND task = ?
ORDER BY number

-- Shows an attempt that did not succeed.
INSERT OR REPLACE INTO attempts (
    run, task, number, status, launched_at, started_at, ended_at, pid, place, error_type, error_message,
    error_traceback, cpu_s, max_rss_bytes
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

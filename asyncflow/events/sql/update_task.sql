-- Shows how far a task has come.
UPDATE tasks SET
    status = ?, attempt = ?, launched_at = ?, started_at = ?, ended_at = ?, pid = ?, place = ?, width = ?,
    chosen = ?, error_type = ?, error_message = ?, error_traceback = ?, cpu_s = ?, max_rss_bytes = ?
WHERE run = ? AND task = ?

-- Shows how far a run has come.
UPDATE runs SET
    status = ?, started_at = ?, ended_at = ?, next_seq = ?, limits = ?, stop_reason = ?, failed_task = ?,
    failed_step = ?, branches_left = ?, created = ?, running = ?, waiting = ?, succeeded = ?, caught = ?,
    failed = ?, cancelled = ?, cloned = ?
WHERE run = ?

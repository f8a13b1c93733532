-- Whether another run has taken over tasks of this one.
SELECT 1 FROM tasks WHERE origin_run = ? AND run <> ? LIMIT 1

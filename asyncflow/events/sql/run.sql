-- One run.
SELECT
    run, flow, user, created_at, origin_run, meta, status, started_at, ended_at, next_seq, limits, stop_reason,
    failed_task, failed_step, branches_left, created, running, waiting, succeeded, caught, failed, cancelled, cloned
FROM runs
WHERE run = ?

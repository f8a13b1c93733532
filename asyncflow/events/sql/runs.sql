-- Runs, newest first.
SELECT
    run, flow, user, created_at, origin_run, meta, status, started_at, ended_at, next_seq, limits, stop_reason,
    failed_task, failed_step, branches_left, created, running, waiting, succeeded, caught, failed, cancelled, cloned
FROM runs
WHERE (:flow IS NULL OR flow = :flow)
  AND (:user IS NULL OR user = :user)
  AND (:status IS NULL OR status = :status)
  AND (:since IS NULL OR created_at >= :since)
  AND (:before IS NULL OR run < :before)
  AND (:tagged IS NULL OR run IN (SELECT value FROM json_each(:tagged)))
ORDER BY run DESC

-- How long each of a run's last tasks took, in order of creation.
SELECT step, ended_at - started_at
FROM tasks
WHERE run = :run
  AND task > (SELECT max(task) FROM tasks WHERE run = :run) - :most
  AND status IN ('succeeded', 'caught', 'failed')
  AND started_at IS NOT NULL
ORDER BY task

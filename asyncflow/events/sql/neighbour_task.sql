-- The number of the step's next task, or of the one before.
SELECT task
FROM tasks
WHERE run = :run AND step = :step AND (task - :task) * :direction > 0
ORDER BY task * :direction
LIMIT 1

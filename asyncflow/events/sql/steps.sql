-- How many tasks of each step are in each status, steps in order of their first task.
SELECT step, status, count(*)
FROM tasks
WHERE run = ?
GROUP BY step, status
ORDER BY min(min(task)) OVER (PARTITION BY step), status

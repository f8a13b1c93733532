-- What is known of a run (task 0) or a task.
SELECT run, task, name, value, at FROM metadata WHERE run = ? AND task = ? ORDER BY name

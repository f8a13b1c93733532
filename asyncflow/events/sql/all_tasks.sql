-- Everything that the view `tasks` shows of a run, to compare it with what the events say.
SELECT * FROM tasks WHERE run = ? ORDER BY task

-- Everything that the view `artifacts` shows of a run, to compare it with what the events say.
SELECT * FROM artifacts WHERE run = ? ORDER BY task, attempt, name

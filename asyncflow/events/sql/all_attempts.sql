-- Everything that the view `attempts` shows of a run, to compare it with what the events say.
SELECT * FROM attempts WHERE run = ? ORDER BY task, number

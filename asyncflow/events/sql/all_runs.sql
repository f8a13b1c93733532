-- Everything that the view `runs` shows of a run, to compare it with what the events say.
SELECT * FROM runs WHERE run = ? ORDER BY run

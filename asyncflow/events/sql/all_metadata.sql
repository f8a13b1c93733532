-- Everything that the view `metadata` shows of a run, to compare it with what the events say.
SELECT * FROM metadata WHERE run = ? ORDER BY task, name

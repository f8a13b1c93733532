-- Everything that the view `tags` shows of a run, to compare it with what the events say.
SELECT * FROM tags WHERE run = ? ORDER BY tag

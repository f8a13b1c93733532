-- What a run's driver has not taken yet, oldest first.
SELECT id, run, kind, args, by, at FROM requests WHERE run = ? AND taken_at IS NULL ORDER BY id

-- The users' own tags of a range of runs.
SELECT run, tag FROM current_tags WHERE run BETWEEN ? AND ? AND is_system = 0 ORDER BY run, tag

-- A run's tags.
SELECT run, tag, is_system FROM tags WHERE run = ? ORDER BY is_system, tag

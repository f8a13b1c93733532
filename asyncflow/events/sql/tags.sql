-- A run's tags.
SELECT run, tag, is_system FROM current_tags WHERE run = ? ORDER BY is_system, tag

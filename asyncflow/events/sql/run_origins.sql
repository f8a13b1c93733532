-- Which runs have taken over tasks of which others.
SELECT DISTINCT run, origin_run FROM tasks WHERE origin_run IS NOT NULL AND origin_run <> run
UNION
SELECT run, origin_run FROM runs WHERE origin_run IS NOT NULL AND status IN ('running', 'interrupted')

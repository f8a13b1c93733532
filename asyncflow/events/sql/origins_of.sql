-- The runs whose tasks a run has taken over.
SELECT DISTINCT origin_run FROM tasks WHERE run = ? AND origin_run IS NOT NULL

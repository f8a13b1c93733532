-- Runs that are shown.
SELECT run FROM runs ORDER BY run

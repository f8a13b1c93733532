-- Runs that have events, whether or not they are shown.
SELECT DISTINCT run FROM batches ORDER BY run

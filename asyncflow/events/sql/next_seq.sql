-- The number a run's next event gets; no row if the run has no events.
SELECT seq + count FROM batches WHERE run = ? ORDER BY seq DESC LIMIT 1

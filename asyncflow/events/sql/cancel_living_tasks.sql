-- The run is over: what has not ended never will.
UPDATE tasks SET status = 'cancelled' WHERE run = ? AND status IN ('created', 'running', 'waiting')

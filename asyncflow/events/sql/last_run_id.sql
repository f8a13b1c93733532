-- The run id given out last.
SELECT value FROM counters WHERE name = 'run'

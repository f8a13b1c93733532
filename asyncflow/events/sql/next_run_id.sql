-- Takes the next run id. Ids are never given twice, even when their run is never created.
UPDATE counters SET value = value + 1 WHERE name = 'run'

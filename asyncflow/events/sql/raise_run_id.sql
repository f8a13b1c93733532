-- Lets run ids go on behind this one.
UPDATE counters SET value = max(value, ?) WHERE name = 'run'

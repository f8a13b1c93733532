-- Asks something of a run's driver.
INSERT INTO requests (run, kind, args, by, at) VALUES (?, ?, ?, ?, ?)

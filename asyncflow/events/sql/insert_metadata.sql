-- Shows something known of a run or task.
INSERT OR REPLACE INTO metadata (run, task, name, value, at) VALUES (?, ?, ?, ?, ?)

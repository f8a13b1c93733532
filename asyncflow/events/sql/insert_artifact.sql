-- Shows an artifact.
INSERT OR REPLACE INTO artifacts (run, task, attempt, name, digest, size_bytes, type) VALUES (?, ?, ?, ?, ?, ?, ?)

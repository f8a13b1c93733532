-- What an attempt made anew.
SELECT run, task, attempt, name, digest, size_bytes, type
FROM artifacts
WHERE run = ? AND task = ? AND attempt = ?
ORDER BY name

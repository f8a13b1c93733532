-- A run's batches as they are recorded, from the one that begins with event number :after on.
SELECT seq, count, at, body FROM batches WHERE run = :run AND seq >= :after ORDER BY seq LIMIT :limit

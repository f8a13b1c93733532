-- Some of a run's batches in order, from the one that holds event number :after on.
SELECT seq, count, body
FROM batches
WHERE run = :run
  AND seq >= coalesce((SELECT max(seq) FROM batches WHERE run = :run AND seq <= :after), 0)
ORDER BY seq
LIMIT :limit

-- How many of a run's tasks a page of tasks is taken from.
SELECT count(*)
FROM tasks
WHERE run = :run
  AND (:step IS NULL OR step = :step)
  AND (:status IS NULL OR status = :status)
  AND (:text IS NULL OR instr(lower(
        step || '/' || task || ' [' || path || '] ' || status || ' ' || coalesce(error_type, '') || ' '
        || coalesce(error_message, '')
      ), :text) > 0)

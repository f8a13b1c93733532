-- Forgets what the view `tasks` shows, of one run or (:run null) of all.
DELETE FROM tasks WHERE :run IS NULL OR run = :run

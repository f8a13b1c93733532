-- Forgets what the view `runs` shows, of one run or (:run null) of all.
DELETE FROM runs WHERE :run IS NULL OR run = :run

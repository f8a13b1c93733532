-- Forgets what the view `artifacts` shows, of one run or (:run null) of all.
DELETE FROM artifacts WHERE :run IS NULL OR run = :run

-- Forgets what the view `attempts` shows, of one run or (:run null) of all.
DELETE FROM attempts WHERE :run IS NULL OR run = :run

-- Forgets what the view `metadata` shows, of one run or (:run null) of all.
DELETE FROM metadata WHERE :run IS NULL OR run = :run

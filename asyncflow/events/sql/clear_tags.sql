-- Forgets what the view `tags` shows, of one run or (:run null) of all.
DELETE FROM tags WHERE :run IS NULL OR run = :run

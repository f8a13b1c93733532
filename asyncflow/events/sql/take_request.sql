-- The driver takes a request; changes no row when it was taken before.
UPDATE requests SET taken_at = ? WHERE id = ? AND taken_at IS NULL

-- Notes how far a run's log here and its pieces in the bucket are the same.
INSERT OR REPLACE INTO mirrored (run, next_piece, next_seq, is_over, head) VALUES (?, ?, ?, ?, ?)

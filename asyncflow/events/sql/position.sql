-- How far a run's log here and its pieces in the bucket are the same.
SELECT next_piece, next_seq, is_over, head FROM mirrored WHERE run = ?

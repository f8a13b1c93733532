-- How far the log here and the pieces in the bucket are the same, for all runs.
SELECT run, next_piece, next_seq, is_over, head FROM mirrored

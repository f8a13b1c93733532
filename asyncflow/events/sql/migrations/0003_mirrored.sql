-- Of a replica: how far each run's log here and the pieces in the bucket are the same.
CREATE TABLE mirrored (
    run        INTEGER PRIMARY KEY,
    next_piece INTEGER NOT NULL,
    next_seq   INTEGER NOT NULL,
    is_over    INTEGER NOT NULL,
    head       TEXT    NOT NULL
);

-- The first schema: the log, the views folded from it, and what processes tell each other through the store.

-- The log. One row a recorded batch: `count` events from number `seq` on, as msgpack. Nothing else is ever needed
-- to know what happened; rows are never changed. A plain rowid table: bodies are too large for an index tree.
CREATE TABLE batches (
    run   INTEGER NOT NULL,
    seq   INTEGER NOT NULL,
    count INTEGER NOT NULL,
    at    REAL    NOT NULL,
    body  BLOB    NOT NULL,
    PRIMARY KEY (run, seq)
);

-- Views. Columns are the fields of the classes in rows.py, in their order.
CREATE TABLE runs (
    run           INTEGER PRIMARY KEY,
    flow          TEXT    NOT NULL,
    user          TEXT    NOT NULL,
    created_at    REAL    NOT NULL,
    origin_run    INTEGER,
    meta          TEXT    NOT NULL,
    status        TEXT    NOT NULL,
    started_at    REAL,
    ended_at      REAL,
    next_seq      INTEGER NOT NULL,
    limits        TEXT    NOT NULL,
    stop_reason   TEXT,
    failed_task   INTEGER,
    failed_step   TEXT,
    branches_left INTEGER NOT NULL,
    created       INTEGER NOT NULL,
    running       INTEGER NOT NULL,
    waiting       INTEGER NOT NULL,
    succeeded     INTEGER NOT NULL,
    caught        INTEGER NOT NULL,
    failed        INTEGER NOT NULL,
    cancelled     INTEGER NOT NULL,
    cloned        INTEGER NOT NULL
);
CREATE INDEX runs_by_flow ON runs (flow);

CREATE TABLE tasks (
    run             INTEGER NOT NULL,
    task            INTEGER NOT NULL,
    step            TEXT    NOT NULL,
    path            TEXT    NOT NULL,
    iteration       INTEGER NOT NULL,
    parent_run      INTEGER NOT NULL,
    parent_task     INTEGER NOT NULL,
    parent_attempt  INTEGER NOT NULL,
    scope           INTEGER,
    position        INTEGER NOT NULL,
    closes          INTEGER,
    created_at      REAL    NOT NULL,
    origin_run      INTEGER,
    origin_task     INTEGER,
    origin_attempt  INTEGER,
    status          TEXT    NOT NULL,
    attempt         INTEGER NOT NULL,
    launched_at     REAL,
    started_at      REAL,
    ended_at        REAL,
    pid             INTEGER,
    place           TEXT,
    width           INTEGER,
    chosen          TEXT,
    error_type      TEXT,
    error_message   TEXT,
    error_traceback TEXT,
    cpu_s           REAL,
    max_rss_bytes   INTEGER,
    PRIMARY KEY (run, task)
) WITHOUT ROWID;

-- Attempts that did not succeed; those that did are told by their task's row.
CREATE TABLE attempts (
    run             INTEGER NOT NULL,
    task            INTEGER NOT NULL,
    number          INTEGER NOT NULL,
    status          TEXT    NOT NULL,
    launched_at     REAL,
    started_at      REAL,
    ended_at        REAL,
    pid             INTEGER,
    place           TEXT,
    error_type      TEXT,
    error_message   TEXT,
    error_traceback TEXT,
    cpu_s           REAL,
    max_rss_bytes   INTEGER,
    PRIMARY KEY (run, task, number)
) WITHOUT ROWID;

-- Artifacts that an attempt made anew, not those it inherited.
CREATE TABLE artifacts (
    run        INTEGER NOT NULL,
    task       INTEGER NOT NULL,
    attempt    INTEGER NOT NULL,
    name       TEXT    NOT NULL,
    digest     TEXT    NOT NULL,
    size_bytes INTEGER NOT NULL,
    type       TEXT    NOT NULL,
    PRIMARY KEY (run, task, attempt, name)
) WITHOUT ROWID;

CREATE TABLE tags (
    run       INTEGER NOT NULL,
    tag       TEXT    NOT NULL,
    is_system INTEGER NOT NULL,
    PRIMARY KEY (run, tag)
) WITHOUT ROWID;
CREATE INDEX tags_by_tag ON tags (tag, run);

-- Task 0 stands for the run as a whole.
CREATE TABLE metadata (
    run   INTEGER NOT NULL,
    task  INTEGER NOT NULL,
    name  TEXT    NOT NULL,
    value TEXT    NOT NULL,
    at    REAL    NOT NULL,
    PRIMARY KEY (run, task, name)
) WITHOUT ROWID;

-- Who drives which run.
CREATE TABLE leases (
    run            INTEGER PRIMARY KEY,
    owner          TEXT    NOT NULL,
    host           TEXT    NOT NULL,
    boot           TEXT    NOT NULL,
    pid            INTEGER NOT NULL,
    process_start  TEXT    NOT NULL,
    acquired_at    REAL    NOT NULL,
    heartbeat_at   REAL    NOT NULL
);

-- What other processes ask of a run's driver.
CREATE TABLE requests (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    run      INTEGER NOT NULL,
    kind     TEXT    NOT NULL,
    args     TEXT    NOT NULL,
    by       TEXT    NOT NULL,
    at       REAL    NOT NULL,
    taken_at REAL
);
CREATE INDEX requests_open ON requests (run) WHERE taken_at IS NULL;

-- The last run id that was given out.
CREATE TABLE counters (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO counters (name, value) VALUES ('run', 0);

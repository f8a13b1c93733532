-- Tags that people put on a run, or took off, after it was started: the last word on each. They are nothing the run's
-- machine knows of, so they are no events; the tags a run began with are in `tags`, folded from its log.
CREATE TABLE tag_edits (
    run        INTEGER NOT NULL,
    tag        TEXT    NOT NULL,
    is_present INTEGER NOT NULL,
    by         TEXT    NOT NULL,
    at         REAL    NOT NULL,
    PRIMARY KEY (run, tag)
) WITHOUT ROWID;
CREATE INDEX tag_edits_by_tag ON tag_edits (tag, run);

-- The tags a run has.
CREATE VIEW current_tags (run, tag, is_system) AS
    SELECT t.run, t.tag, t.is_system FROM tags t
    WHERE t.is_system = 1
       OR NOT EXISTS (SELECT 1 FROM tag_edits e WHERE e.run = t.run AND e.tag = t.tag AND e.is_present = 0)
    UNION ALL
    SELECT e.run, e.tag, 0 FROM tag_edits e
    WHERE e.is_present = 1
      AND NOT EXISTS (SELECT 1 FROM tags t WHERE t.run = e.run AND t.tag = e.tag);

-- A tag put on a run, or taken off.
INSERT INTO tag_edits (run, tag, is_present, by, at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (run, tag) DO UPDATE SET is_present = excluded.is_present, by = excluded.by, at = excluded.at

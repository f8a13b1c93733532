-- Shows a tag.
INSERT OR REPLACE INTO tags (run, tag, is_system) VALUES (?, ?, ?)

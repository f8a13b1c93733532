-- Runs that carry a tag.
SELECT run FROM current_tags WHERE tag = ?

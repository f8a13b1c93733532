-- Runs that carry a tag.
SELECT run FROM tags WHERE tag = ?

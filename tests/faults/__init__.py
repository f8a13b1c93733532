"""The world fails: full and read-only disks, a locked or damaged database, damaged and deleted files."""

"""Places where attempts run. `base` says what is asked of one; each folder is one."""

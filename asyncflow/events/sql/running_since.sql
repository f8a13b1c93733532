-- When each attempt of a run that is in flight was launched.
SELECT launched_at FROM tasks WHERE run = ? AND status = 'running'

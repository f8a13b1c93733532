-- Takes a run's lease.
INSERT OR REPLACE INTO leases (run, owner, host, boot, pid, process_start, acquired_at, heartbeat_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)

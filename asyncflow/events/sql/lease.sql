-- Who holds a run's lease.
SELECT run, owner, host, boot, pid, process_start, acquired_at, heartbeat_at FROM leases WHERE run = ?

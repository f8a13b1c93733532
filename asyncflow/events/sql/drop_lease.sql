-- Forgets who drives a run.
DELETE FROM leases WHERE run = ?

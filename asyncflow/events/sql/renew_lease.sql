-- A sign of life of a lease's owner; changes no row when the lease is another's.
UPDATE leases SET heartbeat_at = ? WHERE run = ? AND owner = ?

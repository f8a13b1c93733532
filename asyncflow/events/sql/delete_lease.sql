-- Gives a lease back; changes no row when the lease is another's.
DELETE FROM leases WHERE run = ? AND owner = ?

"""What happens to events after the machine concluded them: bytes, the log, views for readers, publication.

codec      events to msgpack and back, readable for ever
sqlite_log the durable log for drivers: one owner task, group commit; with run ids, leases and requests
views      a pure fold from events to rows; `ledger` writes them in the transaction that records the events
reader     what the command line, the dashboard and the client ask
bus        publication inside the process; `notices` are what is published and not recorded
doctor     is a store whole, what can still be read, rebuild the views
"""

from __future__ import annotations

"""What people change about a run beside its driver, wherever the store is: its tags, and what is asked of the driver.

Of a store in a bucket, a request to a driver on another machine is an object that the driver looks for every few
seconds. Tags lie in the run's head, which its driver writes while it drives the run, and afterwards whoever edits them.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import Any

from asyncflow.client.catching_up import Replica, replica_at
from asyncflow.errors import StoreError
from asyncflow.events import requests, tagging
from asyncflow.events.database import open_writer, statement
from asyncflow.events.head import decode_head, encode_head
from asyncflow.events.incoming import is_driven_here
from asyncflow.events.lease import Lease, is_alive
from asyncflow.store.s3.keys import head_key, request_key

__all__ = ["edit_tags", "post_request"]


def post_request(
    path: str,
    run: int,
    kind: str,
    args: Mapping[str, Any] | None = None,  # Any: JSON-like
    *,
    by: str,
) -> None:
    """Ask something of a run's driver; see `asyncflow.events.requests.post_request`. Blocks.

    Raises:
        StoreError: The store cannot be written; nothing was asked.
    """
    replica = replica_at(os.path.dirname(path))
    if replica is None or _is_driven_here(path, run):
        requests.post_request(path, run, kind, args, by=by)
        return
    at_ms = int(time.time() * 1000)
    said = {"kind": kind, "args": dict(args or {}), "by": by}
    replica.objects.put_new(request_key(run, at_ms, os.urandom(4).hex()), json.dumps(said).encode())


def edit_tags(path: str, run: int, *, add: Iterable[str] = (), remove: Iterable[str] = (), by: str) -> None:
    """Put tags on a run, or take them off; see `asyncflow.events.tagging.edit_tags`. Blocks.

    Raises:
        TaggingError: A tag is none, belongs to the system, or there would be too many. Nothing was changed.
        StoreError: The store cannot be written.
    """
    added, removed = list(add), list(remove)
    tagging.edit_tags(path, run, add=added, remove=removed, by=by)
    replica = replica_at(os.path.dirname(path))
    if replica is None or _is_driven_here(path, run):
        return
    if _is_driven(path, run):
        post_request(path, run, "tags", {"add": added, "remove": removed}, by=by)
    else:
        _write_head(replica, path, run)


def _write_head(replica: Replica, path: str, run: int) -> None:
    """Write the head of a run that nobody drives with the tags that it has here."""
    received = replica.objects.get(head_key(run))
    if received is None:
        return  # it was never in the bucket; its driver will write its tags when it goes on
    try:
        head = decode_head(received.data)
    except ValueError as error:
        raise StoreError(f"The head of run {run} in {replica.objects.url} is damaged: {error}") from error
    with closing(open_writer(path)) as db:
        rows = db.execute(statement("tags"), (run,)).fetchall()
    tags = tuple((tag, bool(is_system)) for _, tag, is_system in rows)
    replica.objects.put(head_key(run), encode_head(head._replace(tags=tags)), content_type="application/json")


def _is_driven_here(path: str, run: int) -> bool:
    with closing(open_writer(path)) as db:
        return is_driven_here(db, run, time.time())


def _is_driven(path: str, run: int) -> bool:
    with closing(open_writer(path)) as db:
        row: sqlite3.Row | None = db.execute(statement("lease"), (run,)).fetchone()
        return row is not None and is_alive(Lease(*row), time.time())

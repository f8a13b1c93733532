"""Takes into a replica's log what was recorded on other machines: rows as they are, views folded from them here."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from asyncflow.errors import AsyncflowError
from asyncflow.events.database import statement
from asyncflow.events.head import Head
from asyncflow.events.lease import Lease, Owner, is_alive
from asyncflow.events.ledger import Ledger
from asyncflow.events.position import NOWHERE, Position, RawBatch, position_of, put_position
from asyncflow.events.removal import forget_run
from asyncflow.records import fields, replace

__all__ = ["Diverged", "drop_diverged", "is_driven_here", "take_batches", "take_head"]


_ELSEWHERE = "elsewhere:"
"""Begins the owner of a lease that a head tells of: it holds the run, and writes nothing here."""


class Diverged(AsyncflowError):
    """What is recorded here of a run is not what is in its stream: this machine had gone on with it without effect."""


def is_driven_here(db: sqlite3.Connection, run: int, at: float) -> bool:
    """Tell whether a living process drives the run that writes this log: then it is ahead of the stream."""
    row = db.execute(statement("lease"), (run,)).fetchone()
    if row is None:
        return False
    lease = replace(Lease(*row), heartbeat_at=0.0)  # only a process that can be seen counts
    return not lease.owner.startswith(_ELSEWHERE) and is_alive(lease, at)


def take_head(db: sqlite3.Connection, head: Head, etag: str, *, age_s: float, at: float) -> None:
    """Show what a head says of a run, as far as its log is not here, inside a write transaction.

    Args:
        db: The replica's, for writing.
        head: What was read.
        etag: Of the object.
        age_s: How long ago it was written, by the server's clock.
        at: The time, seconds since the epoch.
    """
    run = head.row.run
    position = position_of(db, run)
    put_position(db, run, position._replace(head=etag))
    db.execute(statement("raise_run_id"), (run,))
    if is_driven_here(db, run, at):
        return
    if position.is_over:
        _take_tags(db, head, at)
        return
    if head.lease is None or head.is_over:
        db.execute(statement("drop_lease"), (run,))
    else:
        lease = replace(head.lease, owner=_ELSEWHERE + head.lease.owner, heartbeat_at=at - age_s)
        if lease.boot != Owner.of_this_process().boot:  # another machine, which may be called as this one is
            lease = replace(lease, boot="")
        db.execute(statement("put_lease"), tuple(getattr(lease, item.name) for item in fields(Lease)))
    if position.next_piece > 0:
        _take_tags(db, head, at)
    else:
        forget_run(db, run, tables=("runs", "tags"))
        db.execute(
            statement("insert_run"), tuple(getattr(head.row, item.name) for item in fields(type(head.row)))
        )
        tags = [(run, tag, int(is_system)) for tag, is_system in head.tags]
        db.executemany(statement("insert_tag"), tags)


def _take_tags(db: sqlite3.Connection, head: Head, at: float) -> None:
    """Let a run whose log is here have the tags that its head says."""
    run = head.row.run
    there = [tag for tag, is_system in head.tags if not is_system]
    here = [tag for _, tag, is_system in db.execute(statement("tags"), (run,)) if not is_system]
    edits = [(run, tag, 0, "", at) for tag in here if tag not in there]
    edits += [(run, tag, 1, "", at) for tag in there if tag not in here]
    db.executemany(statement("put_tag_edit"), edits)


def take_batches(ledger: Ledger, run: int, batches: Sequence[RawBatch], position: Position) -> None:
    """Take over a piece's batches, inside a write transaction; what is here already is compared.

    Args:
        ledger: Of the replica.
        run: The run.
        batches: Of one piece, in order.
        position: What is the same here and there afterwards.

    Raises:
        Diverged: Other events are recorded here under the same numbers. Nothing was changed.
        StoreError: A batch is damaged, or missing.
    """
    db = ledger.db
    here = ledger.next_seq(run)
    if here == 0 and batches:
        forget_run(db, run, tables=("runs", "tags"))
    for batch in batches:
        if batch.seq >= here:
            break
        known = db.execute(statement("raw_batches"), {"run": run, "after": batch.seq, "limit": 1}).fetchone()
        if known is None or known[0] != batch.seq or known[3] != batch.body:
            raise Diverged(f"event {batch.seq} of run {run} is another one here")
    ledger.take(run, [batch for batch in batches if batch.seq >= here], here)
    put_position(db, run, position._replace(head=position_of(db, run).head))


def drop_diverged(db: sqlite3.Connection, run: int) -> None:
    """Forget all that is recorded here of a run, inside a write transaction, so that it can be taken over anew."""
    forget_run(db, run)
    put_position(db, run, NOWHERE)

"""Of a replica of a store in a bucket: how far a run's log here and its pieces there are the same."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from asyncflow.events.database import statement
from asyncflow.events.rows import RunRow

__all__ = [
    "NOWHERE",
    "Position",
    "RawBatch",
    "Snapshot",
    "origins_of",
    "position_of",
    "positions",
    "put_position",
    "raw_batches",
]


class Position(NamedTuple):
    """How far a run is the same here and there."""

    next_piece: int = 0
    """So many of its pieces are in this log, or came from it."""
    next_seq: int = 0
    """Number of the first event that is in none of them."""
    is_over: bool = False
    """The run has ended, and all of it is in both."""
    head: str = ""
    """ETag of the run's head when it was last read or written."""


NOWHERE = Position()


class RawBatch(NamedTuple):
    """One row of the log."""

    seq: int
    count: int  # pyright: ignore[reportIncompatibleMethodOverride] - nobody counts in a batch as a tuple
    at: float
    body: bytes


class Snapshot(NamedTuple):
    """What a run's log holds behind a position, and what a list shows of the run."""

    batches: tuple[RawBatch, ...]
    row: RunRow | None


def position_of(db: sqlite3.Connection, run: int) -> Position:
    """Return how far a run is the same here and there."""
    row = db.execute(statement("position"), (run,)).fetchone()
    return NOWHERE if row is None else Position(row[0], row[1], bool(row[2]), row[3])


def positions(db: sqlite3.Connection) -> dict[int, Position]:
    """Return how far each run is the same here and there."""
    rows = db.execute(statement("positions"))
    return {run: Position(piece, seq, bool(is_over), head) for run, piece, seq, is_over, head in rows}


def origins_of(db: sqlite3.Connection, run: int) -> list[int]:
    """Return the runs whose tasks a run has taken over."""
    return [origin for (origin,) in db.execute(statement("origins_of"), (run,))]


def put_position(db: sqlite3.Connection, run: int, position: Position) -> None:
    """Note how far a run is the same here and there, inside a write transaction."""
    values = (run, position.next_piece, position.next_seq, int(position.is_over), position.head)
    db.execute(statement("put_position"), values)


def raw_batches(db: sqlite3.Connection, run: int, after: int, most: int) -> tuple[RawBatch, ...]:
    """Return at most so many of a run's batches, from the one that begins with event number `after` on."""
    values = {"run": run, "after": after, "limit": most}
    return tuple(RawBatch(*row) for row in db.execute(statement("raw_batches"), values))

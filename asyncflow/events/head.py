"""A run's head: what a list of runs shows of it, who drives it, how long its stream is. JSON, for readers elsewhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from asyncflow.events.lease import Lease
from asyncflow.events.rows import RunRow
from asyncflow.records import fields

__all__ = ["Head", "decode_head", "encode_head"]

_VERSION = 1


class Head(NamedTuple):
    """What is known of a run without reading its stream."""

    row: RunRow
    lease: Lease | None
    """Who drives it, with the last sign of life; None: nobody."""
    tags: tuple[tuple[str, bool], ...]
    """Tags it has, and whether the system gave them."""
    next_piece: int
    """How many pieces its stream has."""
    is_over: bool
    """It has ended, and nothing will be added to its stream."""


def encode_head(head: Head) -> bytes:
    """Return a head as JSON."""
    return json.dumps(
        {
            "version": _VERSION,
            "row": _plain(head.row, RunRow),
            "lease": None if head.lease is None else _plain(head.lease, Lease),
            "tags": head.tags,
            "next_piece": head.next_piece,
            "is_over": head.is_over,
        }
    ).encode()


def decode_head(data: bytes) -> Head:
    """Read a head; names it does not know are skipped. Raises ValueError if it is none."""
    try:
        found: dict[str, Any] = json.loads(data)  # Any: JSON
        lease = found["lease"]
        return Head(
            row=RunRow(**_known(found["row"], RunRow)),
            lease=None if lease is None else Lease(**_known(lease, Lease)),
            tags=tuple((str(tag), bool(is_system)) for tag, is_system in _pairs(found["tags"])),
            next_piece=int(found["next_piece"]),
            is_over=bool(found["is_over"]),
        )
    except (KeyError, TypeError, UnicodeDecodeError) as error:
        raise ValueError(f"it is no head of a run ({error})") from error


def _plain(value: object, kind: type) -> dict[str, Any]:  # Any: JSON
    return {item.name: getattr(value, item.name) for item in fields(kind)}


def _known(found: dict[str, Any], kind: type) -> dict[str, Any]:  # Any: JSON
    names = [item.name for item in fields(kind)]
    return {name: found[name] for name in names if name in found}


def _pairs(found: Sequence[Any]) -> Sequence[Any]:  # Any: JSON
    return [pair[:2] for pair in found]

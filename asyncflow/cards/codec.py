"""Nodes as bytes: msgpack, each node a map with its kind and the fields that are not as by default.

Fields are added with defaults, never renamed, retyped or removed. What a reader does not know it leaves out: fields of
a newer release are skipped, a node of a kind it does not know becomes a `Text` that says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar

import msgpack

from asyncflow.cards.tree import KINDS, Node, Text
from asyncflow.records import MISSING, fields
from asyncflow.store.digests import digest_of

__all__ = ["digest", "pack", "to_json", "unpack"]

_KIND = ""
"""The key under which a map has its node's kind: no field is called that."""
_NAMES = {kind: name for name, kind in KINDS.items()}

N = TypeVar("N", bound=Node)


def pack(node: Node) -> bytes:
    """Return the node as bytes for `unpack`."""
    packed: bytes = _PACK(node)
    return packed


def unpack(data: bytes | memoryview, kind: type[N]) -> N:
    """Rebuild a node of a class from its bytes.

    Raises:
        ValueError: They are no such node's.
    """
    try:
        found: object = msgpack.unpackb(data, use_list=False, object_hook=_node, unicode_errors="replace")
    except (msgpack.UnpackException, ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"a card cannot be read: {error}") from error
    if not isinstance(found, kind):
        what = f"a card has a {type(found).__name__} in place of a {kind.__name__}"
        raise ValueError(what)  # noqa: TRY004 - it is the bytes that are wrong
    return found


def digest(packed: bytes) -> str:
    """Return the digest of a packed node: equal digests mean equal trees."""
    return digest_of([packed], len(packed))


def to_json(node: Node) -> dict[str, Any]:  # Any: JSON-like
    """Return a node as what JSON can say: maps whose key `kind` names their class; bytes as base64."""
    return {
        "kind": _NAMES[type(node)],
        **{name: _plain(value) for name, value, default in _values(node) if value != default},
    }


def _plain(value: object) -> Any:
    if isinstance(value, Node):
        return to_json(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        import base64  # pictures only

        return base64.b64encode(value).decode()
    return value


@cache
def _fields_of(kind: type[Node]) -> tuple[tuple[str, Any, str], ...]:
    return tuple((item.name, item.default, item.type) for item in fields(kind) if item.default is not MISSING)


def _values(node: Node) -> list[tuple[str, object, object]]:
    return [(name, getattr(node, name), default) for name, default, _ in _fields_of(type(node))]


def _data(node: object) -> dict[str, object]:
    """Return a node as the map that stands for it."""
    if not isinstance(node, Node):
        raise TypeError(f"a card's tree has a {type(node).__name__} in it")
    data: dict[str, object] = {_KIND: _NAMES[type(node)]}
    for name, default, _ in _fields_of(type(node)):
        value = getattr(node, name)
        if value is not default and value != default:
            data[name] = value
    return data


def _node(data: Mapping[str, Any]) -> Node:
    name = data.get(_KIND)
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        return Text(text="", note=f"This part of the card ({str(name)[:40]!r}) is of a newer release.")
    given: dict[str, Any] = {}  # Any: what the fields hold
    for field, _, annotation in _fields_of(kind):
        if field in data:
            value = data[field]
            if not _CHECKS[annotation](value):
                raise ValueError(f"{name}.{field} of a card is a {type(value).__name__}, not {annotation}")
            given[field] = float(value) if annotation == "float" else value
    return kind(**given)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_tuple_of(check: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, tuple) and all(map(check, value))


def _is(*kinds: type) -> Callable[[object], bool]:
    return lambda value: isinstance(value, kinds)


def _is_pair(*kinds: type) -> Callable[[object], bool]:
    return lambda pair: (
        isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str) and isinstance(pair[1], kinds)
    )


_CHECKS: Mapping[str, Callable[[Any], bool]] = {
    "str": _is(str),
    "bytes": _is(bytes),
    "bool": _is(bool),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "float": _is_number,
    "Node | None": _is(Node, type(None)),
    "tuple[str, ...]": _is_tuple_of(_is(str)),
    "tuple[float, ...]": _is_tuple_of(_is_number),
    "tuple[Node, ...]": _is_tuple_of(_is(Node)),
    "tuple[Artifact, ...]": _is_tuple_of(_is(KINDS["artifact"])),
    "tuple[Series, ...]": _is_tuple_of(_is(KINDS["series"])),
    "tuple[Event, ...]": _is_tuple_of(_is(KINDS["event"])),
    "tuple[DagStep, ...]": _is_tuple_of(_is(KINDS["dagstep"])),
    "tuple[tuple[Cell, ...], ...]": _is_tuple_of(_is_tuple_of(_is(str, Node))),
    "tuple[tuple[str, Cell], ...]": _is_tuple_of(_is_pair(str, Node)),
    "tuple[tuple[str, str], ...]": _is_tuple_of(_is_pair(str)),
}
"""What a field may hold, by its annotation: what is read may have been written by anybody."""

_PACK: Callable[[object], Any] = msgpack.Packer(
    default=_data, unicode_errors="replace"
).pack  # one, as making one maps 256 KiB

"""Whether storing a value is a matter of microseconds, or long enough to be kept off an event loop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

__all__ = ["is_light"]

_LONGEST = 64 << 10
_MOST_ITEMS = 64
_DEEPEST = 3


def is_light(value: object, depth: int = 0) -> bool:
    """Say whether a value is a number, a short text, or a small container of these. What is unknown is not light."""
    kind = type(value)
    if value is None or kind in (bool, int, float, complex):
        return True
    if kind in (str, bytes, bytearray):
        return len(cast("bytes", value)) <= _LONGEST >> depth
    if depth >= _DEEPEST or kind not in (list, tuple, dict, set, frozenset):
        return False
    items = cast("Iterable[Any]", value)  # Any: the user's
    if len(cast("list[Any]", value)) > _MOST_ITEMS:
        return False
    if kind is dict:
        items = cast("Mapping[Any, Any]", value).values()
    return all(is_light(item, depth + 1) for item in items)

"""Parts of JSON objects, of which any may be missing or null. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

__all__ = ["NOTHING", "Json", "many", "part", "text"]

Json = Mapping[str, Any]  # Any: JSON
"""An object of JSON."""

NOTHING: Json = {}


def part(thing: Json, *names: str) -> Json:
    """Return the object within; an empty one where there is none."""
    for name in names:
        inner = thing.get(name)
        if not isinstance(inner, Mapping):
            return NOTHING
        thing = cast("Json", inner)
    return thing


def many(thing: Json, *names: str) -> Sequence[Json]:
    """Return the objects of a list within; none where there is no list."""
    inner = part(thing, *names[:-1]).get(names[-1])
    return cast("Sequence[Json]", inner) if isinstance(inner, list) else ()


def text(thing: Json, *names: str) -> str:
    """Return a value within as text; empty where there is none."""
    inner = part(thing, *names[:-1]).get(names[-1])
    return "" if inner is None else str(inner)

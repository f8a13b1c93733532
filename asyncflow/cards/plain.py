"""Any value as data that JSON can say, and as text, in bounded time and size, whatever refers to what."""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from asyncflow.cards.limits import JSON_CHARS

__all__ = ["brief", "json_text", "plain", "yaml_text"]

_MOST_ITEMS = 5_000
"""Of one value, all levels together."""
_MOST_WIDTH = 1_000
_MOST_DEPTH = 30
_MOST_STRING = 20_000


class _Brief(reprlib.Repr):
    """Representations of bounded size."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 4
        self.maxdict = self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdeque = 20
        self.maxarray = 20
        self.maxstring = self.maxlong = 2_000
        self.maxother = 2_000


_BRIEF = _Brief()


def brief(value: object) -> str:
    """Return a representation of at most some thousand characters. Calls the value's `__repr__`, which may raise."""
    return _BRIEF.repr(value)[:20_000]


def json_text(value: object, most: int = JSON_CHARS) -> tuple[str, str]:
    """Return a value as indented JSON, and a note on what was left out. Never cyclic, no NaN: those become text."""
    data, note = plain(value)
    text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)
    if len(text) > most:
        return json.dumps(
            text[:most], ensure_ascii=False
        ), f"Cut: {most:,} of {len(text):,} characters are shown."
    return text, note


def plain(value: object) -> tuple[Any, str]:  # Any: JSON-like
    """Return a value as dictionaries, lists, texts and numbers, and a note on what was left out."""
    walk = _Walk()
    data = walk.of(value, 0)
    return data, "" if not walk.is_cut else "Cut: the value has more parts than are shown."


class _Walk:
    """One way through a value."""

    def __init__(self) -> None:
        self.left = _MOST_ITEMS
        self.is_cut = False
        self._above: list[int] = []
        """Ids of the containers around the one looked at."""

    def of(self, value: object, depth: int) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self._string(value)
        if isinstance(value, int):
            return int(value) if abs(value) < 1 << 63 else self._string(brief(value))
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else str(float(value))
        if isinstance(value, bytes | bytearray | memoryview):
            return self._string(bytes(value[:_MOST_STRING]).decode("utf-8", "backslashreplace"))
        container = self._container(value)
        return self._string(brief(value)) if container is None else self._within(value, container, depth)

    def _container(self, value: object) -> Callable[[int], Any] | None:
        if isinstance(value, Mapping):
            return lambda depth: self._mapping(value, depth)
        if isinstance(value, list | tuple | set | frozenset):
            return lambda depth: self._items(value, depth)
        if (
            type(value).__module__ == "numpy"
            and hasattr(value, "tolist")
            and getattr(value, "size", 0) <= 1000
        ):
            return lambda depth: self.of(value.tolist(), depth)  # pyright: ignore[reportAttributeAccessIssue]
        return None

    def _within(self, value: object, container: Callable[[int], Any], depth: int) -> Any:
        if id(value) in self._above:
            return "(refers to itself)"
        if depth >= _MOST_DEPTH:
            self.is_cut = True
            return "…"
        self._above.append(id(value))
        try:
            return container(depth + 1)
        finally:
            self._above.pop()

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, item in self._some(value.items()):
            found[self._string(key if isinstance(key, str) else brief(key))] = self.of(item, depth)
        return found

    def _items(self, value: Iterable[object], depth: int) -> list[Any]:
        return [self.of(item, depth) for item in self._some(value)]

    def _some(self, items: Iterable[Any]) -> Iterable[Any]:
        for number, item in enumerate(items):
            if number >= _MOST_WIDTH or self.left <= 0:
                self.is_cut = True
                return
            self.left -= 1
            yield item

    def _string(self, text: str) -> str:
        if len(text) > _MOST_STRING:
            self.is_cut = True
            return f"{text[:_MOST_STRING]}…"
        return text.encode("utf-8", "replace").decode() if not text.isprintable() else text


def yaml_text(data: object, indent: int = 0) -> str:
    """Return what `plain` has made as YAML, as people write it."""
    pad = "  " * indent
    if isinstance(data, dict) and data:
        return "\n".join(f"{pad}{_scalar(key)}:{_nested(item, indent)}" for key, item in data.items())
    if isinstance(data, list) and data:
        return "\n".join(f"{pad}-{_nested(item, indent)}" for item in data)
    return f"{pad}{_scalar(data)}"


def _nested(item: object, indent: int) -> str:
    if isinstance(item, dict | list) and item:
        return f"\n{yaml_text(item, indent + 1)}"
    return f" {_scalar(item)}"


def _scalar(value: object) -> str:
    if isinstance(value, str):
        is_simple = value.replace("_", "a").replace("-", "a").replace(" ", "a").isalnum()
        is_word = is_simple and value[:1].isalpha() and value.strip() == value
        if is_word and value.lower() not in ("true", "false", "null", "yes", "no", "on", "off", "y", "n"):
            return value
    return json.dumps(value, ensure_ascii=False)

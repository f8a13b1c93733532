"""What an artifact is, shown without running any code of it.

A pickle can do anything when it is loaded. Here it is read with a loader that knows no class: numbers, text and the
containers of Python come out as they are, and whatever else is in it is stood in for by its name and parts. Numbers
and arrays of NumPy are recognised, as they are what people look for.
"""

from __future__ import annotations

import io
import pickle
import reprlib
import struct
from typing import Any

from asyncflow.errors import StoreError
from asyncflow.store.content import InlineContent
from asyncflow.store.local import LocalStore
from asyncflow.store.manifest import ArtifactRecord
from asyncflow.store.pickling import taken_apart
from asyncflow.text import bytes_text

__all__ = ["PREVIEW_BYTES", "preview"]

PREVIEW_BYTES = 8 << 20
"""A larger artifact is not read."""
_LETTERS = {"f8": "d", "f4": "f", "i8": "q", "i4": "i", "i2": "h", "i1": "b", "u8": "Q", "u4": "I", "b1": "?"}
_FIRST = 6
"""Numbers of an array that are shown."""


class _Stand:
    """Stands for something of a class that is not loaded. Holds what it is made of."""

    path = ""

    def __new__(cls, *parts: object, **_named: object) -> _Stand:
        made = object.__new__(cls)
        made.parts = parts
        made.state = None
        made.items = []
        return made

    parts: tuple[object, ...]
    state: object
    items: list[object]

    def __init__(self, *_parts: object, **_named: object) -> None:
        """Everything was taken in before."""

    def __setstate__(self, state: object) -> None:
        self.state = state

    def append(self, item: object) -> None:
        """Take an item, as a list does."""
        self.items.append(item)

    def extend(self, items: list[object]) -> None:
        """Take items, as a list does."""
        self.items.extend(items)

    def add(self, item: object) -> None:
        """Take an item, as a set does."""
        self.items.append(item)

    def __setitem__(self, key: object, value: object) -> None:
        self.items.append((key, value))

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return _told(self)


class _Inert(pickle.Unpickler):
    """Loads a pickle; every name in it becomes a stand-in, and nothing of it is run."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:  # Any: a class made here
        return type("Stand", (_Stand,), {"path": f"{module_name}.{global_name}"})


class _Brief(reprlib.Repr):
    """Representations of bounded size, whatever refers to what."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 4
        self.maxdict = self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdeque = 12
        self.maxstring = self.maxlong = 2000
        self.maxother = 300


def preview(store: LocalStore, record: ArtifactRecord) -> str:
    """Return an artifact's value as text, or what can be said of it. Never runs code of the artifact.

    Blocking: reads up to 8 MB.
    """
    about = f"{record.type}, {bytes_text(record.size_bytes)}"
    if record.size_bytes > PREVIEW_BYTES:
        return f"{about}: too large for a preview"
    try:
        content = _content(store, record)
        if record.encoding != "pickle5":
            return f"{about}, {record.encoding}: {_Brief().repr(bytes(content[:2000]))}"
        stream, buffers = taken_apart(content)
        value: object = _Inert(io.BytesIO(stream), buffers=buffers).load()
        return value[:20_000] if isinstance(value, str) else _Brief().repr(value)
    except StoreError as error:
        return f"{about}: {error.message}"
    except (
        pickle.UnpicklingError,
        ValueError,
        TypeError,
        AttributeError,
        LookupError,
        EOFError,
        RecursionError,
    ) as error:
        return f"{about}: not plain data ({type(error).__name__})"


def _content(store: LocalStore, record: ArtifactRecord) -> memoryview:
    if record.inline is not None:
        return InlineContent(record.inline, record.size_bytes).view()
    return store.get_blob(record.digest)


def _told(value: _Stand) -> str:
    """Say what a stand-in is: a number or an array of NumPy by its values, anything else by its name and parts."""
    path = value.path
    if path.endswith("multiarray.scalar") and len(value.parts) == 2:
        numbers = _numbers(value.parts[0], value.parts[1], 1)
        if numbers:
            return numbers[0]
    if path.endswith("._frombuffer") and len(value.parts) >= 3:
        raw, dtype, shape = value.parts[:3]
        numbers = _numbers(dtype, raw, _FIRST)
        return f"array {shape} of {_letter(dtype) or 'objects'}: [{', '.join(numbers)}{', ...' if numbers else ''}]"
    short = path.rpartition(".")[2]
    inside = [_Brief().repr(part) for part in value.parts[:4] if not isinstance(part, type)]
    state = _Brief().repr(value.state) if value.state is not None else ""
    inside += [_Brief().repr(value.items)] if value.items else []
    return f"<{short} {' '.join([*inside, state])[:280]}>".replace(" >", ">")


def _letter(dtype: object) -> str:
    return str(dtype.parts[0]) if isinstance(dtype, _Stand) and dtype.parts else ""


def _numbers(dtype: object, raw: object, most: int) -> list[str]:
    letter = _LETTERS.get(_letter(dtype))
    if letter is None or not isinstance(raw, bytes | bytearray | memoryview):
        return []
    size = struct.calcsize(letter)
    count = min(most, len(raw) // size)
    return [repr(number) for number in struct.unpack_from(f"<{count}{letter}", raw)]

"""Which serializer stores a value: looked up by type, pickle for everything that has none of its own.

A library adds its own with `register`; the name is recorded with each artifact, so that a reader finds it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from asyncflow.errors import StoreError
from asyncflow.store.content import Content
from asyncflow.store.digests import Buffer
from asyncflow.store.pickling import pickle_parts, unpickle

__all__ = ["Serializer", "named", "register", "serializer_for", "type_name"]


class Serializer(Protocol):
    """Turns values of some types into bytes and back."""

    @property
    def name(self) -> str:
        """Recorded as the artifact's encoding. Short, unique, never reused for another format."""
        ...

    @property
    def types(self) -> tuple[str, ...]:
        """Dotted names of the types it takes, such as `polars.dataframe.frame.DataFrame`; no import is needed."""
        ...

    @property
    def takes_subclasses(self) -> bool:
        """Whether it also takes subclasses of its types."""
        ...

    def dump(self, value: Any) -> Sequence[Buffer]:  # Any: the user's object
        """Return the content in pieces, which may share memory with the value. May raise anything."""
        ...

    def load(self, content: Content) -> Any:  # Any: the user's object
        """Rebuild the value. Raises ValueError if the content is damaged; may raise anything."""
        ...


class _Pickle5:
    name = "pickle5"
    types: tuple[str, ...] = ()
    takes_subclasses = True

    def dump(self, value: object) -> Sequence[Buffer]:
        return pickle_parts(value)

    def load(self, content: Content) -> Any:  # Any: the user's object
        return unpickle(content.view())


class _Bytes:
    """Bytes as they are; read straight into the new object."""

    name = "bytes"
    types = ("builtins.bytes",)
    takes_subclasses = False

    def dump(self, value: bytes) -> Sequence[Buffer]:
        return (value,)

    def load(self, content: Content) -> bytes:
        return content.read()


_PICKLE: Serializer = _Pickle5()
_by_name: dict[str, Serializer] = {_PICKLE.name: _PICKLE}
_by_type: dict[str, Serializer] = {}
_found: dict[type, Serializer] = {}


def register(serializer: Serializer) -> None:
    """Use a serializer for its types from now on, in this process and those forked from it.

    Call it where the flow's file or a library it imports is loaded, so that every worker and reader has it.
    A later one for the same type replaces the earlier one.
    """
    _by_name[serializer.name] = serializer
    for name in serializer.types:
        _by_type[name] = serializer
    _found.clear()


def serializer_for(kind: type) -> Serializer:
    """Return the serializer for values of exactly this type: its own, that of its nearest base, else pickle."""
    serializer = _found.get(kind)
    if serializer is None:
        serializer = _found[kind] = _search(kind)
    return serializer


def _search(kind: type) -> Serializer:
    for base in kind.__mro__:
        serializer = _by_type.get(type_name(base))
        if serializer is not None and (base is kind or serializer.takes_subclasses):
            return serializer
    return _PICKLE


def named(name: str) -> Serializer:
    """Return the serializer that made an artifact. Raises StoreError if this process has none of that name."""
    serializer = _by_name.get(name)
    if serializer is None:
        raise StoreError(
            f"No serializer is named {name!r} in this process.",
            hint="Import the module that registers it (`asyncflow.store.serializers.register`) before reading.",
        )
    return serializer


def type_name(kind: type) -> str:
    """Return the dotted name of a type, such as `numpy.ndarray`."""
    return f"{kind.__module__}.{kind.__qualname__}"


register(_Bytes())

"""How a value is taken apart, to see what code and what plain values it is made of."""

from __future__ import annotations

import functools
import io
import pickle
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

__all__ = ["LITERALS", "WRAPPERS", "NamingPickler", "is_plain", "slots_of", "wrapped_in"]

LITERALS = frozenset((str, bytes, int, float, complex, bool, type(None), type(Ellipsis)))
"""Types whose values are wholly told by `repr`."""
WRAPPERS = (MethodType, staticmethod, classmethod, property, functools.partial)
"""Types of values that call something else; see `wrapped_in`."""


class NamingPickler(pickle.Pickler):
    """Notes functions and classes, which are pickled by their names only, and the classes of objects."""

    def __init__(self, sink: io.BytesIO, protocol: int) -> None:
        super().__init__(sink, protocol)
        self.named: dict[int, object] = {}

    def reducer_override(self, value: Any) -> Any:  # Any: any object; pickle's own answer
        """Note it, and let it be pickled as ever."""
        named = value if isinstance(value, type | FunctionType | BuiltinFunctionType) else type(value)
        self.named[id(named)] = named
        return NotImplemented


def wrapped_in(value: Any) -> tuple[object, ...]:  # Any: one of those
    """Return what such an object calls, and with what."""
    if isinstance(value, property):
        return (value.fget, value.fset)
    if isinstance(value, functools.partial):
        return (value.func, value.args, dict(value.keywords))  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType,reportUnknownMemberType]
    return (value.__func__, getattr(value, "__self__", None))


def is_plain(item: object) -> bool:
    """Tell whether `repr` says all of a value: a literal, or lists and tuples of such."""
    if type(item) in (tuple, list):
        return all(map(is_plain, item))  # pyright: ignore[reportArgumentType]
    return type(item) in LITERALS


def slots_of(kind: type) -> list[str]:
    """Return the names of the slots that objects of a class have."""
    found: list[str] = []
    for owner in kind.__mro__:
        slots = vars(owner).get("__slots__", ())
        found += (slots,) if isinstance(slots, str) else slots
    return [name for name in found if name not in ("__dict__", "__weakref__")]

"""Finds what in a value cannot be pickled, so that the error can name it: `self.model.optimizer.lock`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

from asyncflow.errors import ExitCode, UserError
from asyncflow.store.pickling import pickle_parts
from asyncflow.store.serializers import type_name

__all__ = ["Culprit", "UnpicklableArtifact", "find_culprit", "unpicklable"]

_MOST_CHILDREN = 10_000
_DEEPEST = 50


class UnpicklableArtifact(UserError):
    """An artifact cannot be stored; trying again cannot help."""

    headline = "Artifact cannot be stored"
    exit_code = ExitCode.FAILURE
    is_retryable = False


_Child = tuple[str, object]


class Culprit(NamedTuple):
    """The innermost value that cannot be pickled."""

    path: str
    """How to reach it, such as `self.model.layers[3].lock`."""
    type: str
    """Dotted name of its type."""


def unpicklable(path: str, value: object, cause: BaseException) -> UnpicklableArtifact:
    """Return the error for a value that failed to pickle with `cause`; `path` is where it stands, such as `self.x`."""
    if isinstance(cause, RecursionError):
        return UnpicklableArtifact(
            f"{path} ({type_name(type(value))}) cannot be pickled: it is nested too deeply.",
            hint="Store it in a flatter form, such as a list of its parts.",
        )
    culprit = find_culprit(path, value)
    inside = "" if culprit.path == path else f" inside {path} ({type_name(type(value))})"
    return UnpicklableArtifact(
        f"{culprit.path} ({culprit.type}){inside} cannot be pickled: {type(cause).__name__}: {str(cause)[:300]}",
        hint="Keep it in a local variable, delete it before the step ends, or leave it out in `__getstate__`.",
    )


def find_culprit(path: str, value: object) -> Culprit:
    """Return the innermost part of `value` that fails to pickle while none of its own parts does."""
    seen: dict[int, object] = {id(value): value}
    for _ in range(_DEEPEST):
        for label, child in islice(_children(value), _MOST_CHILDREN):
            if id(child) not in seen and not _can_pickle(child):
                seen[id(child)] = child
                path, value = path + label, child
                break
        else:
            break
    return Culprit(path, type_name(type(value)))


def _can_pickle(value: object) -> bool:
    if value is None or type(value) in (bool, int, float, str, bytes):
        return True
    try:
        pickle_parts(value)
    except Exception:  # noqa: BLE001 - the user's own __reduce__ and __getstate__ may raise anything
        return False
    return True


def _children(value: object) -> Iterator[_Child]:
    """Yield the parts of a value that pickle would visit, each with how it is reached from the value."""
    parts: Any = value  # Any: the user's object
    if _is(value, dict):
        for key, child in parts.items():
            yield f"[{_short(key)}]", child
            yield f".keys()[{_short(key)}]", key
    elif _is(value, list) or _is(value, tuple):
        for index, child in enumerate(parts):
            yield f"[{index}]", child
    elif _is(value, set) or _is(value, frozenset):
        for child in parts:
            yield "{...}", child
    yield from _of_state(value)


def _of_state(value: object) -> Iterator[_Child]:
    """Yield the attributes pickle would store, and the arguments its class is called with."""
    made_from, state = _reduced(value)
    for part in state if _is(state, tuple) else (state,):  # two parts: of a class with __slots__
        if _is(part, dict):
            for name, child in part.items():
                yield f".{name}", child
        elif part is not None:
            yield ".__getstate__()", part
    for index, argument in enumerate(made_from):
        if not _is(argument, type):
            yield f".__reduce__()[{index}]", argument


def _reduced(value: object) -> tuple[tuple[Any, ...], Any]:  # Any: whatever the user's __reduce__ gives
    """Return what pickle calls to make the value again is called with, and its state."""
    try:
        reduced: Any = value.__reduce_ex__(5)
    except Exception:  # noqa: BLE001 - the user's own __reduce__ and __getstate__ may raise anything
        return (), getattr(value, "__dict__", None)
    if not _is(reduced, tuple) or len(reduced) < 2:
        return (), None
    return tuple(reduced[1] or ()), reduced[2] if len(reduced) > 2 else None


def _is(value: object, kind: type) -> bool:
    """Say whether a value is of a type without telling the type checker, which would ask for its parts' types."""
    return isinstance(value, kind)


def _short(key: object) -> str:
    text = repr(key) if isinstance(key, str | int | float | bool | bytes | None) else type(key).__name__
    return text if len(text) <= 40 else text[:37] + "..."

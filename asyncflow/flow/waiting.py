"""What cannot be known before a flow's class is there: the base of `config_expr`'s expressions."""

from __future__ import annotations

__all__ = ["Waiting", "is_waiting"]


class Waiting:
    """A value that is known once the class is."""


def is_waiting(value: object) -> bool:
    """Tell whether a value, or something in its lists and mappings, waits for the class."""
    if isinstance(value, Waiting):
        return True
    if type(value) is dict:
        return any(is_waiting(item) for item in value.values())
    return type(value) in (list, tuple) and any(is_waiting(item) for item in value)  # type: ignore[attr-defined]

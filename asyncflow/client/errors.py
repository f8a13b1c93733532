"""What can be wrong with a pathspec."""

from __future__ import annotations

from asyncflow.errors import UserError

__all__ = ["InvalidPathspec", "NamespaceMismatch", "NoSuchObject"]


class InvalidPathspec(UserError):
    """A pathspec has too few or too many parts for what it should name."""

    headline = "Invalid pathspec"


class NoSuchObject(UserError):
    """Nothing of that name is in the store."""

    headline = "Object not found"


class NamespaceMismatch(UserError):
    """It is there, and outside of the namespace that is looked at."""

    headline = "Object not in the current namespace"

"""Names of things that every room shares: a run, a task, an attempt, and where an attempt left its manifest."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["PARAMETERS_TASK", "Attempt", "Frame", "ManifestKey"]

PARAMETERS_TASK = 0
"""Task id of the pseudo step `_parameters`, which holds a run's parameters and constants."""


class Attempt(NamedTuple):
    """One try of one task of the run at hand."""

    task: int
    """Task id, a counter per run that starts at 1."""
    number: int
    """0 for the first try."""


class ManifestKey(NamedTuple):
    """Where an attempt left its manifest, in this run or, for a cloned task, in the run it was taken from."""

    run: int
    task: int
    attempt: int


class Frame(NamedTuple):
    """One level of a task's scope stack."""

    scope: int
    """Task id of the split that opened the scope."""
    index: int  # pyright: ignore[reportIncompatibleMethodOverride]  # the word of the flow API; `tuple.index` is never meant
    """Position of this branch in the scope, 0 .. width-1."""

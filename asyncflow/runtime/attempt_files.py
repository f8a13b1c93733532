"""Which of many attempts have a file of a kind in a run's directory. Blocks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator

from asyncflow.machine.ids import Attempt

__all__ = ["attempts_with_file"]

_FEW = 32
"""So many files are looked for one by one; of more, their directory is listed."""


def attempts_with_file(attempts: Iterable[Attempt], path_of: Callable[[Attempt], str]) -> Iterator[Attempt]:
    """Yield those of the attempts that may have the file, in no particular order.

    Of attempts whose files share a directory with many of the others, it is known that they have it. So a thousand
    attempts that print nothing cost one look, not a thousand.

    Args:
        attempts: Without a repetition.
        path_of: Where an attempt's file is.
    """
    by_directory: dict[str, list[tuple[str, Attempt]]] = {}
    for attempt in attempts:
        directory, _, name = path_of(attempt).rpartition("/")
        by_directory.setdefault(directory, []).append((name, attempt))
    for directory, asked in by_directory.items():
        if len(asked) <= _FEW:
            yield from (attempt for _, attempt in asked)
            continue
        there = _names(directory)
        yield from (attempt for name, attempt in asked if name in there)


def _names(directory: str) -> frozenset[str]:
    try:
        return frozenset(os.listdir(directory))
    except FileNotFoundError:
        return frozenset()

"""Which of many attempts have a file of a kind in a run's directory. Blocks."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator

from asyncflow.machine.ids import Attempt
from asyncflow.store.layout import attempt_of_file, task_directory

__all__ = ["attempts_with_file"]

_FEW = 32
"""So many files are looked for one by one; of more, their directories are listed."""


def attempts_with_file(home: str, run: int, attempts: Collection[Attempt], suffix: str) -> Iterator[Attempt]:
    """Yield those of the attempts that may have the file, in no particular order; of many, that do have it.

    What the directories hold is looked at, not what is asked about: a thousand attempts that print nothing cost one
    look, and no path is made for each of them.

    Args:
        home: The store.
        run: The run.
        attempts: Of the run.
        suffix: Of the file's name, such as `.log`.
    """
    if len(attempts) <= _FEW:
        yield from attempts
        return
    asked = frozenset(attempts)
    for directory in {task_directory(home, run, thousand) for thousand in _first_of_thousands(asked)}:
        for name in _names(directory):
            found = attempt_of_file(name, suffix)
            if found is not None and found in asked:
                yield Attempt(*found)


def _first_of_thousands(attempts: Collection[Attempt]) -> set[int]:
    return {task - task % 1000 for task, _ in attempts}


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except FileNotFoundError:
        return []

"""How a job of the cluster says whose it is: its comment names the store, the run, the step and the attempts.

An array is one request with one comment, so that lists its attempts in order: `12-511.0,515.1` is the first attempt of
tasks 12 to 511, then the second of task 515.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from asyncflow.machine.ids import Attempt

__all__ = ["LONGEST_LIST", "Identity", "listed"]

LONGEST_LIST = 900
"""Characters that a list of attempts may have; squeue prints the comment for each job of an array."""
_MARK = "asyncflow/1"


class Identity(NamedTuple):
    """Whose jobs a request asked for."""

    owner: str
    run: int
    step: str
    attempts: Sequence[Attempt]
    """In order of the array's indexes."""

    def comment(self) -> str:
        """Return it as a job's comment."""
        return f"{_MARK} {self.owner} {self.run} {self.step} {listed(self.attempts)}"

    @classmethod
    def read(cls, comment: str) -> Identity | None:
        """Read a comment; None if it is not one of ours."""
        words = comment.split()
        if len(words) != 5 or words[0] != _MARK:
            return None
        try:
            return cls(words[1], int(words[2]), words[3], tuple(_attempts(words[4])))
        except ValueError:
            return None


def listed(attempts: Sequence[Attempt]) -> str:
    """Write attempts in order, those of tasks that follow each other as one."""
    pieces: list[list[int]] = []
    for task, number in attempts:
        if pieces and pieces[-1][1] == task - 1 and pieces[-1][2] == number:
            pieces[-1][1] = task
        else:
            pieces.append([task, task, number])
    return ",".join(
        f"{first}.{number}" if first == last else f"{first}-{last}.{number}" for first, last, number in pieces
    )


def _attempts(text: str) -> Iterator[Attempt]:
    for piece in text.split(","):
        tasks, _, number = piece.partition(".")
        first, _, last = tasks.partition("-")
        for task in range(int(first), int(last or first) + 1):
            yield Attempt(task, int(number))

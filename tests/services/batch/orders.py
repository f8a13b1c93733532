"""What tests order to happen to jobs."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.services.batch.words import EXIT, NEVER, NO_IMAGE, OOM, SPOT

if TYPE_CHECKING:
    from tests.services.batch.jobs import Job

KINDS = (EXIT, NEVER, NO_IMAGE, OOM, SPOT)


@dataclass(slots=True, kw_only=True)
class Order:
    """One kind of fate, for jobs whose `name` or `name:index` matches."""

    number: int
    kind: str
    pattern: re.Pattern[str]
    left: int | None
    """None: for ever."""
    after_s: float = 0.0
    """After the start."""
    exit_code: int = 1
    fired: int = 0


class Orders:
    """All of them. Not for many threads but by the engine's lock."""

    def __init__(self) -> None:
        self._all: dict[int, Order] = {}
        self._numbers = itertools.count(1)

    def add(
        self, kind: str, pattern: str, times: int | None, *, after_s: float = 0.0, exit_code: int = 1
    ) -> Order:
        """Order something."""
        if kind not in KINDS:
            raise ValueError(f"no such fate: {kind}")
        order = Order(
            number=next(self._numbers),
            kind=kind,
            pattern=re.compile(pattern),
            left=times,
            after_s=after_s,
            exit_code=exit_code,
        )
        self._all[order.number] = order
        return order

    def take(self, kind: str, job: Job) -> Order | None:
        """Return what a job meets now, and count it."""
        for order in self._all.values():
            if order.kind == kind and order.left != 0 and order.pattern.search(_called(job)):
                order.fired += 1
                order.left = None if order.left is None else order.left - 1
                return order
        return None

    def is_never(self, job: Job) -> bool:
        """Say whether a job is not to start as long as the order stands; counted once for each look."""
        for order in self._all.values():
            if order.kind == NEVER and order.pattern.search(_called(job)):
                order.fired += 1
                return True
        return False

    def fired(self) -> dict[int, int]:
        """Return how often each has happened, by its number."""
        return {number: order.fired for number, order in self._all.items()}

    def clear(self) -> None:
        """Take all back."""
        self._all.clear()


def _called(job: Job) -> str:
    return job.name if job.index is None else f"{job.name}:{job.index}"

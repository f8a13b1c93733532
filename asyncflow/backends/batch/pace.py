"""How often AWS Batch is asked: quickly while jobs move, ever less while they do not. Pure."""

from __future__ import annotations

from asyncflow.records import record

__all__ = ["Pace", "Rhythm"]

_GROWTH = 1.5
_PER_CALL_S = 0.1
"""A look that took many calls is not repeated at once: AWS gives an account some ten calls a second."""


@record
class Pace:
    """What may be set; the defaults are for AWS, tests are in a hurry."""

    quick_s: float = 1.0
    """Between two looks while jobs move."""
    slow_s: float = 30.0
    """At most, while they do not."""
    lost_after_s: float = 60.0
    """A job AWS does not know for so long is lost; what was submitted a moment ago may not be listed yet."""
    silent_s: float = 900.0
    """So long AWS may give no sensible answer before it is an error; jobs run on meanwhile."""
    waiting_s: float = 120.0
    """A job that is RUNNABLE for so long is told to be waiting, with what the queue's machines say."""
    twins_after_s: float = 20.0
    """After a submission was repeated because its answer was lost, it is looked whether there are two of it."""
    close_s: float = 20.0
    """How long ending what still runs may take."""
    tries: int = 9
    """Of one request."""


class Rhythm:
    """When to look next."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._interval_s = pace.quick_s

    def after(self, *, has_moved: bool, calls: int) -> float:
        """Return how long to wait after a look.

        Args:
            has_moved: Something was new.
            calls: What the look took.
        """
        grown = self._interval_s * _GROWTH
        self._interval_s = self._pace.quick_s if has_moved else min(self._pace.slow_s, grown)
        return max(self._interval_s, calls * _PER_CALL_S)

    def hurry(self) -> None:
        """Look soon: something was asked for."""
        self._interval_s = self._pace.quick_s

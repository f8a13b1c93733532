"""Step decorators that cap how many tasks run at a time, or start in a while, over all runs on this machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from asyncflow.flow.decorators.base import Method, StepDecorator, decorate
from asyncflow.machine import graph as machine
from asyncflow.records import record

if TYPE_CHECKING:
    from asyncflow.flow.graph import StepInfo

__all__ = ["Concurrency", "RateLimit", "concurrency", "rate_limit"]

PERIODS_S = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0}
LONGEST_KEY = 200


@record(slots=False)
class _Limit(StepDecorator):
    """What both have in common: a key, and that a gang cannot have them."""

    allow_multiple: ClassVar[bool] = True
    key: str | None = None
    """Whatever shares the limit says the same key. None: the step alone, in all runs of its flow."""

    def __post_init__(self) -> None:
        """Check the key."""
        if self.key is None:
            return
        if not isinstance(self.key, str):
            object.__setattr__(self, "key", str(self.key))  # --with reads `key=7` as a number
        if not 0 < len(self.key) <= LONGEST_KEY or not self.key.isprintable():
            self.refuse("key", f"a text of 1 to {LONGEST_KEY} printable characters")

    def complaint(self, info: StepInfo) -> str:
        """Refuse gangs, which start as one."""
        if any(decorator.name == "parallel" for decorator in info.decorators):
            return "is a gang (@parallel), whose tasks start at the same time"
        return ""


@record(slots=False)
class Concurrency(_Limit):
    """Let no more than so many tasks run at a time."""

    name: ClassVar[str] = "concurrency"
    limit: int | None = None
    """How many. Has to be given."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.number("limit", at_least=1, is_whole=True)

    def permit(self, flow: str, step: str) -> machine.Permit:
        """Say it in the machine's words."""
        return machine.Permit(self.key or f"{flow}/{step}", int(self.limit or 1))

    @property
    def words(self) -> str:
        """Say it to people."""
        return f"{self.limit} at a time"


@record(slots=False)
class RateLimit(_Limit):
    """Let no more than so many tasks start in any window of a length."""

    name: ClassVar[str] = "rate_limit"
    n: int | None = None
    """How many. Has to be given."""
    per: Any = "minute"  # Any: a word or a number; kept as seconds
    """Length of the window: `second`, `minute`, `hour`, `day`, or seconds."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.number("n", at_least=1, is_whole=True)
        if isinstance(self.per, str) and self.per in PERIODS_S:
            return
        try:
            per_s = float(self.per)
        except (TypeError, ValueError):
            per_s = 0.0
        if isinstance(self.per, bool) or not 0.001 <= per_s <= 366 * PERIODS_S["day"]:
            self.refuse("per", "second, minute, hour, day, or a number of seconds")
        object.__setattr__(self, "per", per_s)

    def permit(self, flow: str, step: str) -> machine.Permit:
        """Say it in the machine's words."""
        per_s = PERIODS_S[self.per] if isinstance(self.per, str) else float(self.per)
        return machine.Permit(self.key or f"{flow}/{step}", int(self.n or 1), per_s)

    @property
    def words(self) -> str:
        """Say it to people."""
        return f"{self.n} starts per {self.per if isinstance(self.per, str) else f'{self.per:g} seconds'}"


def concurrency(limit: int, *, key: str | None = None) -> Callable[[Method], Method]:
    """Let no more than `limit` tasks of the step run at a time, in all runs of the flow on this machine together.

    Args:
        limit: How many tasks, 1 or more.
        key: Steps that give the same key share the limit, whatever flow, run and store they are of. None: the step
            alone. Where limits differ for one key, the smallest counts.
    """
    if callable(limit):  # the bare form, which would say nothing
        return decorate(Concurrency, limit, {})
    attributes: dict[str, Any] = {"limit": limit} if key is None else {"limit": limit, "key": key}
    return decorate(Concurrency, None, attributes)


def rate_limit(n: int, *, per: str | float = "minute", key: str | None = None) -> Callable[[Method], Method]:
    """Let no more than `n` tasks of the step start in any window, in all runs of the flow on this machine together.

    Every attempt counts, retries too. Starts are spread evenly over the window, by no more than a second each.

    Args:
        n: How many starts, 1 or more.
        per: Length of the window: `second`, `minute`, `hour`, `day`, or seconds.
        key: As for `concurrency`. One key may have several rates, of different windows.
    """
    if callable(n):  # as above
        return decorate(RateLimit, n, {})
    attributes: dict[str, Any] = {"n": n, "per": per} if key is None else {"n": n, "per": per, "key": key}
    return decorate(RateLimit, None, attributes)

"""When a request to a bucket is tried again, how long after, and how many requests a second are sent. Pure.

**Pauses** are random between nothing and a bound that doubles ("full jitter"), so that a thousand clients which failed
together do not come back together.
Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/

**Rate.** Until a server says SlowDown, requests go as fast as they come. Then a bucket of tokens lets through 70 % of
what went through in the last second; each second without SlowDown adds 5 % (at least one request), and after a minute
of peace the limit is lifted. Many processes that share a prefix so settle at what the server can take.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["MOST_TRIES", "Rate", "Verdict", "pause_s", "verdict_of"]

MOST_TRIES = 9
"""Of one request, the first one included: with the pauses about a minute, 25 s on average."""

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 20.0


class Verdict(StrEnum):
    """What an error of a server means for the request."""

    AGAIN = "again"
    """It may pass."""
    SLOW_DOWN = "slow_down"
    """It may pass if fewer are asked."""
    FINAL = "final"
    """It will be the same next time."""


_SLOW_DOWN = (
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "RequestLimitExceeded",
    "TooManyRequests",
    "RequestThrottled",
    "BandwidthLimitExceeded",
    "ServiceUnavailable",
)
_AGAIN = (
    "InternalError",
    "RequestTimeout",
    "OperationAborted",
    "ConditionalRequestConflict",
    "BadDigest",
    "IncompleteBody",
)


def verdict_of(status: int, code: str) -> Verdict:
    """Judge an answer by its HTTP status and the server's code (`SlowDown`, `NoSuchKey`, ...)."""
    if code in _SLOW_DOWN or status in (429, 503):
        return Verdict.SLOW_DOWN
    if code in _AGAIN or status >= 500 or status == 409:
        return Verdict.AGAIN
    return Verdict.FINAL


def pause_s(tries: int, chance: float) -> float:
    """Return how long to wait after `tries` tries have failed.

    Args:
        tries: 1 or more.
        chance: Random, 0 to 1.
    """
    return chance * min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** (tries - 1))


class Rate:
    """How fast a server may be asked, for all requests of one client.

    Times are seconds of a clock that never goes back.
    """

    __slots__ = (
        "_at",
        "_counted",
        "_counted_from",
        "_last_rate",
        "_limit",
        "_raised_at",
        "_slowed_at",
        "_tokens",
    )

    def __init__(self) -> None:
        self._limit: float | None = None
        """Requests a second. None: no limit."""
        self._tokens = 0.0
        self._at = 0.0
        self._slowed_at = 0.0
        self._raised_at = 0.0
        self._counted = 0
        self._counted_from = 0.0
        self._last_rate = 0.0
        """Requests let through in the last whole second."""

    @property
    def limit(self) -> float | None:
        """Requests a second that are let through; None: all."""
        return self._limit

    def wait_s(self, now: float) -> float:
        """Ask for one request at time `now`; return how long to wait before it is sent, 0.0: not at all."""
        self._count(now)
        self._limit = limit = self._recovered(now)
        if limit is None:
            return 0.0
        self._tokens = min(limit, self._tokens + (now - self._at) * limit) - 1.0
        self._at = now
        return 0.0 if self._tokens >= 0.0 else -self._tokens / limit

    def slow_down(self, now: float) -> None:
        """Note that the server asked for fewer requests."""
        if self._limit is not None and now - self._slowed_at < _SAME_STORM_S:
            return  # the answers of requests that were under way together count once
        going = self._limit if self._limit is not None else max(self._last_rate, float(self._counted))
        self._limit = max(_LOWEST_RATE, going * _CUT)
        self._tokens = min(self._tokens, 0.0)
        self._at = self._slowed_at = self._raised_at = now

    def _count(self, now: float) -> None:
        if now - self._counted_from >= 1.0:
            self._last_rate = self._counted / max(1.0, now - self._counted_from)
            self._counted, self._counted_from = 0, now
        self._counted += 1

    def _recovered(self, now: float) -> float | None:
        """Return the limit that holds after the time that has passed without SlowDown."""
        limit = self._limit
        if limit is None or now - self._slowed_at >= _PEACE_S:
            return None
        seconds = int(now - self._raised_at)
        for _ in range(seconds):
            limit += max(1.0, limit * _RAISE)
        self._raised_at += seconds
        return limit


_CUT = 0.7
_RAISE = 0.05
_LOWEST_RATE = 2.0
_SAME_STORM_S = 0.5
_PEACE_S = 60.0

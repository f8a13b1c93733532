"""How fast a cluster is asked, and when it is asked again. Pure.

**Rate.** A bucket of tokens, as every client of Kubernetes has one: so many requests a second,
a burst at the beginning. A 429 halves the rate; each second without one adds a tenth of the full rate.

**Pauses** are random between nothing and a bound that doubles, so that those who failed together do not come back
together; a server that says how long to wait (Retry-After) is heeded.
"""

from __future__ import annotations

__all__ = ["MOST_TRIES", "Pace", "pause_s"]

MOST_TRIES = 10
"""Of one request, the first one included: with the pauses about a minute and a half at most."""

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 20.0
_LOWEST_SHARE = 0.02
_RAISE = 0.1
_SAME_STORM_S = 0.5


def pause_s(tries: int, chance: float, asked_s: float = 0.0) -> float:
    """Return how long to wait after `tries` tries have failed.

    Args:
        tries: 1 or more.
        chance: Random, 0 to 1.
        asked_s: What the server asked for.
    """
    bound = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** (tries - 1))
    return asked_s + chance * bound


class Pace:
    """How fast one cluster is asked, for all requests of a run. Times are of a clock that never goes back.

    Args:
        per_s: Requests a second.
        burst: So many go at once after a rest.
    """

    __slots__ = ("_at", "_burst", "_full", "_raised_at", "_rate", "_slowed_at", "_tokens")

    def __init__(self, per_s: float, burst: float) -> None:
        self._full = self._rate = per_s
        self._burst = burst
        self._tokens = burst
        self._at = 0.0
        self._slowed_at = self._raised_at = float("-inf")

    @property
    def per_s(self) -> float:
        """Requests a second that go now."""
        return self._rate

    def wait_s(self, now: float) -> float:
        """Ask for one request at time `now`; return how long to wait before it is sent, 0.0: not at all."""
        self._recover(now)
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._at) * self._rate) - 1.0
        self._at = now
        return 0.0 if self._tokens >= 0.0 else -self._tokens / self._rate

    def slow_down(self, now: float) -> None:
        """Note that the server asked for fewer requests."""
        if now - self._slowed_at < _SAME_STORM_S:
            return  # the answers of requests that were under way together count once
        self._rate = max(self._full * _LOWEST_SHARE, self._rate / 2)
        self._tokens = min(self._tokens, 0.0)
        self._slowed_at = self._raised_at = now

    def _recover(self, now: float) -> None:
        if self._rate >= self._full:
            return
        seconds = int(now - self._raised_at)
        self._rate = min(self._full, self._rate + seconds * _RAISE * self._full)
        self._raised_at += seconds

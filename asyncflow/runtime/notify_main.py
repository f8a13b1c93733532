"""Posts a run's events as they are recorded: `python -m asyncflow.runtime.notify_main HOME RUN AFTER`.

The address comes on stdin, which stays open as long as the run's scheduler lives. What is posted are CloudEvents 1.0
in batched content mode over HTTP (https://github.com/cloudevents/spec): each request's body is a JSON array of events.
`source` and `id` together name an event for good, so a receiver can drop what it has seen.
"""

from __future__ import annotations

import itertools
import json
import os
import select
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from asyncflow.errors import AsyncflowError
from asyncflow.events.codec import to_plain
from asyncflow.events.reader import Numbered, Reader
from asyncflow.machine.events import RunFinished
from asyncflow.runtime.notify import FLUSH_S
from asyncflow.store.layout import DATABASE

__all__ = ["main"]

_MOST = 500
"""Events in one request."""
_POST_S = 10.0
_FIRST_WAIT_S = 0.2
_LONGEST_WAIT_S = 10.0
_GATHER_S = 0.1
_AGAIN = (408, 425, 429)


class _Lifeline:
    """Stdin, held open by the scheduler as long as its run runs."""

    def __init__(self) -> None:
        self.ended_at: float | None = None
        """When it was closed, on the monotonic clock."""

    @property
    def seconds_left(self) -> float:
        """How long may still be tried."""
        if self.ended_at is None:
            return float("inf")
        return self.ended_at + FLUSH_S - time.monotonic()

    def nap(self, seconds: float) -> None:
        """Sleep, and wake up when the run is over."""
        if self.ended_at is not None:
            time.sleep(max(0.0, min(seconds, self.seconds_left)))
        elif select.select([sys.stdin], [], [], seconds)[0]:
            self.ended_at = time.monotonic()  # nothing is ever written there: it was closed


class _Poster:
    """Delivers batches in order. A receiver that does not answer is tried again, until the run has ended."""

    def __init__(self, url: str, lifeline: _Lifeline) -> None:
        self._url = url
        self._lifeline = lifeline
        self.lost = 0
        self.problem = ""

    def post(self, batch: list[dict[str, Any]]) -> None:
        """Deliver a batch, or count it as lost."""
        body = json.dumps(batch).encode()
        wait_s = _FIRST_WAIT_S
        while True:
            problem = self._try(body)
            if problem is None:
                return
            self.problem = problem
            if problem.startswith("refused") or self._lifeline.seconds_left <= 0:
                self.lost += len(batch)
                return
            self._lifeline.nap(wait_s)
            wait_s = min(wait_s * 2, _LONGEST_WAIT_S)

    def _try(self, body: bytes) -> str | None:
        """Return what went wrong, None if nothing did."""
        left = self._lifeline.seconds_left
        if left <= 0:
            return self.problem or "no time was left"
        request = urllib.request.Request(
            self._url,
            data=body,
            headers={
                "Content-Type": "application/cloudevents-batch+json; charset=utf-8",
                "User-Agent": "asyncflow",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=min(_POST_S, max(left, 0.5))):
                return None
        except urllib.error.HTTPError as error:
            with error:
                may_pass = error.code >= 500 or error.code in _AGAIN
                return f"{'answered' if may_pass else 'refused with'} {error.code} {error.reason}"
        except (OSError, ValueError) as error:
            return str(getattr(error, "reason", error))


def main(arguments: list[str]) -> int:
    """Post events until the run is over; say on stderr what could not be delivered."""
    home, run, after = arguments[0], int(arguments[1]), int(arguments[2])
    url = os.read(0, 1 << 16).decode().strip()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    lifeline = _Lifeline()
    poster = _Poster(url, lifeline)
    try:
        with Reader(os.path.join(home, DATABASE)) as reader:
            for batch in _batches(reader, run, after, lifeline):
                poster.post(batch)
    except AsyncflowError as error:
        sys.stderr.write(f"asyncflow: --notify has ended: {error}\n")
        return 1
    if poster.lost:
        said = f"{poster.lost} events could not be delivered to --notify: {poster.problem}"
        sys.stderr.write(f"asyncflow: {said}\n")
    return 0


def _batches(reader: Reader, run: int, after: int, lifeline: _Lifeline) -> Iterator[list[dict[str, Any]]]:
    """Yield a run's events as they come, in batches, until there are no more."""
    source = ""
    while True:
        is_last = lifeline.ended_at is not None
        if not source and (row := reader.run(run)) is not None:
            source = f"asyncflow://{os.uname().nodename}/{row.flow}/{run}"
        for numbered in _chunks(reader.events(run, after=after)):
            after = numbered[-1][0] + 1
            is_last = is_last or isinstance(numbered[-1][1], RunFinished)
            yield [_cloud_event(source, one) for one in numbered]
        if is_last:
            return
        lifeline.nap(_GATHER_S)


def _chunks(events: Iterator[Numbered]) -> Iterator[list[Numbered]]:
    while chunk := list(itertools.islice(events, _MOST)):
        yield chunk


def _cloud_event(source: str, numbered: Numbered) -> dict[str, Any]:
    number, event = numbered
    plain = to_plain(event)
    told: dict[str, Any] = {
        "specversion": "1.0",
        "id": str(number),
        "source": source,
        "type": f"asyncflow.{plain.pop('event')}",
        "datacontenttype": "application/json",
        "data": plain,
    }
    at = plain.get("at")
    if isinstance(at, int | float):
        told["time"] = datetime.fromtimestamp(at, UTC).isoformat()
    if "task" in plain:
        told["subject"] = f"{plain['step']}/{plain['task']}" if "step" in plain else str(plain["task"])
    return told


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

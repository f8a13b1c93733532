"""What goes to the zygote, in the order it can: stops first, then launches, a bounded number on the way at once."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable

from asyncflow.backends.local.flight import Flight
from asyncflow.backends.local.link import Link
from asyncflow.backends.local.pump import Pump
from asyncflow.backends.local.wire import Verb, frame, pack_task

__all__ = ["Outbox", "two_pipes"]

_MOST_UNSTARTED = 32
"""Launches on their way to the zygote at once; the others wait here, without pipes."""


class Outbox:
    """Sends what waits whenever the socket takes it.

    Args:
        pump: Gets the reading ends of each launch's pipes.
        on_failure: Told of a launch that cannot be sent, and why.
    """

    def __init__(self, pump: Pump, on_failure: Callable[[Flight, str], None]) -> None:
        self._pump = pump
        self._on_failure = on_failure
        self._loop: asyncio.AbstractEventLoop | None = None
        self._link: Link | None = None
        self._launches: deque[Flight] = deque()
        self._orders: deque[tuple[bytes, tuple[int, ...]]] = deque()
        """Frames, with the descriptors that go beside them."""
        self._unstarted = 0

    def connect(self, loop: asyncio.AbstractEventLoop, link: Link, first: bytes) -> None:
        """Send to this zygote from now on, `first` before anything else; what waits goes to it."""
        self._loop, self._link = loop, link
        self._unstarted = 0
        self._orders.appendleft((first, ()))
        self.send()

    def disconnect(self) -> None:
        """Send nothing any more until there is another zygote; what this one was still to be told is void."""
        if self._loop is not None and self._link is not None:
            self._loop.remove_writer(self._link.fileno())
        self._link = None
        while self._orders:
            _close(self._orders.popleft()[1])

    def launch(self, flight: Flight) -> None:
        """Send a launch when its turn comes."""
        self._launches.append(flight)
        self.send()

    def order(self, data: bytes, descriptors: tuple[int, ...] = ()) -> None:
        """Send another frame, before the launches that wait. The descriptors are closed here."""
        self._orders.append((data, descriptors))
        self.send()

    def withdraw(self, flight: Flight) -> None:
        """Take back a launch that has not been sent."""
        self._launches.remove(flight)

    def has_arrived(self) -> None:
        """Note that the zygote has dealt with a launch. The caller calls `send` in the end."""
        self._unstarted -= 1

    def send(self) -> None:
        """Send as much of what waits as the socket takes."""
        link, loop = self._link, self._loop
        if link is None or loop is None or link.is_congested:
            return
        is_sent = True
        while self._orders and is_sent and not link.is_congested:
            is_sent = link.send(*self._orders[0])
            if is_sent:
                _close(self._orders.popleft()[1])
        while self._launches and is_sent and not link.is_congested and self._unstarted < _MOST_UNSTARTED:
            is_sent = self._send_launch(link, self._launches.popleft())
        if not link.is_lost and (link.is_congested or not is_sent):
            loop.add_writer(link.fileno(), self._on_writable)

    def _send_launch(self, link: Link, flight: Flight) -> bool:
        assert flight.spec is not None, "a launch that waits is not sent"
        try:
            stdout, stderr, stdout_writer, stderr_writer = two_pipes()
        except OSError as error:
            self._on_failure(flight, f"could not be launched: no pipe for its output: {error.strerror}")
            return True
        data = frame(Verb.LAUNCH, flight.token, pack_task(flight.spec))
        try:
            is_sent = link.send(data, (stdout_writer, stderr_writer))
        finally:
            os.close(stdout_writer)
            os.close(stderr_writer)
        if not is_sent:
            os.close(stdout)
            os.close(stderr)
            self._launches.appendleft(flight)
            return False
        flight.spec = None
        flight.pipes = self._pump.pipes(flight.attempt, stdout, stderr)
        self._unstarted += 1
        return True

    def _on_writable(self) -> None:
        link, loop = self._link, self._loop
        if link is None or loop is None:
            return
        if link.is_congested:
            link.send_rest()
        if not link.is_congested:
            loop.remove_writer(link.fileno())
            self.send()


def _close(descriptors: tuple[int, ...]) -> None:
    for fd in descriptors:
        os.close(fd)


def two_pipes() -> tuple[int, int, int, int]:
    """Make two pipes; return two reading ends, non-blocking, and the two writing ends of theirs. Raises OSError."""
    first, first_writer = os.pipe()
    try:
        second, second_writer = os.pipe()
    except OSError:
        os.close(first)
        os.close(first_writer)
        raise
    os.set_blocking(first, False)
    os.set_blocking(second, False)
    return first, second, first_writer, second_writer

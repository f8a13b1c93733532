"""The scheduler's side of the async workers: which gets an attempt, what they tell, and what becomes of a dead one.

A worker is forked from the zygote when it is first needed, with a socket of its own to the scheduler. The zygote tells
of its end as of any child's; what it said before is read first, and only attempts of which it said nothing are lost. A
worker that had to give an attempt up gets no other, and is killed when its last one has ended. One that does not even
answer, because a step blocks its loop, is killed at once; its other attempts are lost through no fault of theirs.
"""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Protocol

from asyncflow.backends.local.flight import Flight, reason_of_end, reason_of_refusal
from asyncflow.backends.local.outbox import Outbox, two_pipes
from asyncflow.backends.local.pump import Pipe, Pump
from asyncflow.backends.local.wire import Frames, Note, Said, Told, Verb, frame, pack_task
from asyncflow.machine.ids import PARAMETERS_TASK, Attempt
from asyncflow.machine.outcome import Outcome
from asyncflow.worker import report

__all__ = ["AsyncPool", "Landing", "environment_of"]

_RECEIVE_BYTES = 1 << 18
_ANSWER_S = 2.0
"""How long a worker may take to end an attempt that is to end at once, before the worker is killed."""

Environment = tuple[tuple[str, str], ...]


class Landing(Protocol):
    """Who is told what becomes of attempts: the backend."""

    def took_off(self, flight: Flight, pid: int) -> None:
        """The attempt has begun."""
        ...

    def reported(self, flight: Flight, outcome: Outcome) -> None:
        """The attempt has ended and said how."""
        ...

    def lost(self, flight: Flight, reason: str, *, exit_code: int | None, is_our_fault: bool) -> None:
        """The attempt is gone without a word."""
        ...

    def tell(self) -> None:
        """All of what has arrived was told."""
        ...


class _Worker:
    """One async worker, from the order to fork it to its end."""

    def __init__(self, number: int, token: int, environment: Environment, ours: socket.socket) -> None:
        self.number = number
        self.token = token
        self.environment = environment
        self.socket = ours
        self.pid = 0
        self.frames = Frames()
        self.flights: dict[int, Flight] = {}
        """By token, those that have not ended."""
        self.unsent = bytearray()
        self.pipes: tuple[Pipe, Pipe] | None = None
        """What is printed in it outside of any attempt."""
        self.is_retired = False
        self.is_silent = False
        """Killed because it did not answer."""
        self.forced: dict[int, float] = {}
        """Token of an attempt that is to end at once: when the worker is killed if it has not, monotonic."""


class AsyncPool:
    """Hands attempts of async steps to long-lived workers.

    Args:
        size: Most workers at once, for steps of one environment.
        pump: Gets what attempts print.
        outbox: Sends to the zygote.
        landing: Told what becomes of attempts.
    """

    def __init__(self, size: int, pump: Pump, outbox: Outbox, landing: Landing) -> None:
        self._size = size
        self._pump = pump
        self._outbox = outbox
        self._landing = landing
        self._workers: dict[int, _Worker] = {}
        self._count = 0

    def launch(self, flight: Flight, token_of_worker: int, environment: Environment) -> bool:
        """Give an attempt to the least loaded worker; say whether `token_of_worker` was used up for a new one.

        Raises OSError if a worker is needed and there is no socket or pipe for it.
        """
        worker = self._choose(environment)
        is_new = worker is None
        assert flight.spec is not None
        if worker is None:
            worker = self._fork(token_of_worker, environment, flight.spec.step)
        data = frame(Verb.LAUNCH, flight.token, pack_task(flight.spec))
        flight.spec = None
        flight.pipes = self._pump.fed(flight.attempt)
        flight.worker = worker.token
        worker.flights[flight.token] = flight
        self._send(worker, data)
        return is_new

    def stop(self, flight: Flight, *, force: bool) -> None:
        """Ask an attempt to end, or end it whatever it does."""
        assert flight.worker is not None, "it was launched here"
        worker = self._workers[flight.worker]
        if force:
            worker.forced[flight.token] = time.monotonic() + _ANSWER_S
        self._send(worker, frame(Verb.FORCE if force else Verb.STOP, flight.token))

    def takes(self, note: Note) -> bool:
        """Deal with what the zygote tells, if it is about a worker."""
        worker = self._workers.get(note.token)
        if worker is None:
            return False
        if note.said == Said.STARTED:
            worker.pid = note.value
            assert worker.pipes is not None
            self._pump.watch(worker.pipes)
        elif note.said == Said.EXITED:
            self._bury(worker, note)
        else:
            self._end(worker)
            for flight in list(worker.flights.values()):
                reason = reason_of_refusal(note.value)
                self._landing.lost(flight, reason, exit_code=None, is_our_fault=False)
        return True

    @property
    def check_at(self) -> float | None:
        """When `check` has something to do, monotonic; None: not in sight."""
        times = [at for worker in self._workers.values() for at in worker.forced.values()]
        return min(times, default=None)

    def check(self) -> None:
        """Kill workers that do not answer."""
        now = time.monotonic()
        for worker in self._workers.values():
            if any(at <= now for at in worker.forced.values()):
                worker.forced = dict.fromkeys(worker.forced, float("inf"))
                worker.is_retired = worker.is_silent = True
                self._outbox.order(frame(Verb.FORCE, worker.token))

    def drain(self) -> None:
        """Take what workers have said before they died with the zygote, and forget the workers."""
        for worker in list(self._workers.values()):
            self._read_rest(worker)
            self._end(worker)

    def _choose(self, environment: Environment) -> _Worker | None:
        """Return the worker to take; None: a new one."""
        fit = [
            worker
            for worker in self._workers.values()
            if worker.environment == environment and not worker.is_retired
        ]
        least = min(fit, key=lambda worker: len(worker.flights), default=None)
        return None if least is None or (least.flights and len(fit) < self._size) else least

    def _fork(self, token: int, environment: Environment, step: str) -> _Worker:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            stdout, stderr, stdout_writer, stderr_writer = two_pipes()
        except OSError:
            ours.close()
            theirs.close()
            raise
        ours.setblocking(False)
        self._count += 1
        worker = self._workers[token] = _Worker(self._count, token, environment, ours)
        worker.pipes = self._pump.pipes(Attempt(PARAMETERS_TASK, worker.number), stdout, stderr)
        self._outbox.order(
            frame(Verb.WORKER, token, step.encode()), (stdout_writer, stderr_writer, theirs.detach())
        )
        asyncio.get_running_loop().add_reader(ours, self._on_readable, worker)
        return worker

    # To a worker

    def _send(self, worker: _Worker, data: bytes) -> None:
        worker.unsent += data
        if len(worker.unsent) == len(data):  # else the loop tells when there is room
            self._send_rest(worker)

    def _send_rest(self, worker: _Worker) -> None:
        loop = asyncio.get_running_loop()
        try:
            sent = worker.socket.send(worker.unsent)
            del worker.unsent[:sent]
        except BlockingIOError:
            pass
        except OSError:  # dead; the zygote will tell
            worker.unsent.clear()
        if worker.unsent:
            loop.add_writer(worker.socket, self._send_rest, worker)
        else:
            loop.remove_writer(worker.socket)

    # From a worker

    def _on_readable(self, worker: _Worker) -> None:
        if self._read(worker) == 0:
            asyncio.get_running_loop().remove_reader(worker.socket)
        elif self._pump.is_full:
            asyncio.get_running_loop().remove_reader(worker.socket)
            self._pump.hold(lambda: self._go_on(worker))
        self._landing.tell()

    def _go_on(self, worker: _Worker) -> None:
        if worker.socket.fileno() >= 0:
            asyncio.get_running_loop().add_reader(worker.socket, self._on_readable, worker)

    def _read(self, worker: _Worker) -> int | None:
        """Read once; return how many bytes came, 0 at the end, None if there is nothing now."""
        try:
            data = worker.socket.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            return 0
        for kind, token, body in worker.frames.feed(data):
            flight = worker.flights.get(token)
            if flight is not None:
                self._hear(worker, flight, kind, body)
        return len(data)

    def _hear(self, worker: _Worker, flight: Flight, kind: int, body: bytes) -> None:
        if kind == Told.STARTED:
            self._landing.took_off(flight, worker.pid)
        elif kind in (Told.STDOUT, Told.STDERR):
            assert flight.pipes is not None
            self._pump.feed(flight.pipes[kind == Told.STDERR], body)
        elif kind == Told.REPORT:
            self._forget(worker, flight)
            self._landing.reported(flight, report.decode(body)[1])
        elif kind == Told.GIVEN_UP:
            worker.is_retired = True
            self._forget(worker, flight)
            reason = "it did not end when its task was cancelled, and was given up"
            self._landing.lost(flight, reason, exit_code=None, is_our_fault=False)
        if worker.is_retired and not worker.flights and not worker.is_silent:
            worker.is_silent = True
            self._outbox.order(frame(Verb.FORCE, worker.token))

    def _forget(self, worker: _Worker, flight: Flight) -> None:
        del worker.flights[flight.token]
        worker.forced.pop(flight.token, None)

    # The end of a worker

    def _bury(self, worker: _Worker, note: Note) -> None:
        """Tell of the attempts that a dead worker has not told of."""
        self._read_rest(worker)
        self._end(worker)
        end = reason_of_end(note.value, note.peak_bytes, is_forced=worker.is_silent)
        for flight in list(worker.flights.values()):
            is_guilty = flight.token in worker.forced
            if worker.is_silent and not is_guilty:
                end = "another task blocked the event loop, and its worker was killed"
            reason = f"the async worker it ran in is gone: {end}"
            is_our_fault = worker.is_silent and not is_guilty
            self._landing.lost(flight, reason, exit_code=note.value, is_our_fault=is_our_fault)

    def _read_rest(self, worker: _Worker) -> None:
        while self._read(worker):
            continue

    def _end(self, worker: _Worker) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(worker.socket)
        loop.remove_writer(worker.socket)
        worker.socket.close()
        self._workers.pop(worker.token, None)
        if worker.pipes is not None:
            self._pump.finish(worker.pipes)
            worker.pipes = None


def environment_of(variables: dict[str, str]) -> Environment:
    """Return a step's environment variables in a form that can be compared."""
    return tuple(sorted(variables.items()))

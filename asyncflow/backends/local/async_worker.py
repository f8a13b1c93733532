"""The process that async steps share: one event loop, an asyncio task for each attempt, one socket to the scheduler.

It is a child of the zygote, dies with it, and ends when the scheduler's socket does. Launches and stops come as
frames, what becomes of them goes back in batches (`async_outbox`). It runs until it is killed.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import threading
from typing import Any, NoReturn

import anyio
from anyio.abc import TaskGroup

from asyncflow.backends.local.async_outbox import AsyncOutbox
from asyncflow.backends.local.wire import Frames, Told, Verb, unpack_task
from asyncflow.machine.outcome import Failed
from asyncflow.store.local import LocalStore
from asyncflow.worker import report
from asyncflow.worker.async_attempt import AsyncAttempt, prepare_async
from asyncflow.worker.async_streams import OWNER, share_process
from asyncflow.worker.binding import Origins
from asyncflow.worker.problems import info_of
from asyncflow.worker.spec import RunSpec, TaskSpec
from asyncflow.worker.watchdog import Watchdog, WatchedSelector

__all__ = ["AsyncWorker", "serve_tasks"]

_RECEIVE_BYTES = 1 << 18
_FORCED_S = 0.25
"""How long an attempt that is to end at once may take to do so when cancelled, before it is abandoned."""
_GARBAGE = 20_000
"""New objects before the youngest are looked through."""
_THREADS = 4
"""Attempts that may store large artifacts at the same time."""


def serve_tasks(control_fd: int, flow_class: type, run_spec: RunSpec) -> NoReturn:
    """Run attempts as the scheduler sends them, until it is gone."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.unraisablehook = sys.__unraisablehook__
    gc.freeze()
    gc.set_threshold(_GARBAGE)  # by default a collection would walk a thousand waiting tasks again and again
    selector = WatchedSelector()
    worker = AsyncWorker(socket.socket(fileno=control_fd), flow_class, run_spec, selector)

    def make_loop() -> asyncio.AbstractEventLoop:
        return _Loop(selector)

    anyio.run(worker.serve, backend_options={"loop_factory": make_loop})
    os._exit(0)


class _Loop(asyncio.SelectorEventLoop):
    """A loop that goes on when a task calls `sys.exit`: asyncio gives the exception to the task, and to the loop."""

    def run_forever(self) -> None:
        """Run until `stop` is called."""
        is_over = False
        while not is_over:
            try:
                super().run_forever()
                is_over = True
            except (SystemExit, KeyboardInterrupt) as error:
                logging.getLogger(__name__).debug("a task has raised %r", error)


class AsyncWorker:
    """Runs attempts on the loop that `serve` is called on.

    Args:
        control: Stream socket to the scheduler.
        flow_class: The flow whose steps are run.
        run_spec: The run.
        selector: The loop's.
    """

    def __init__(
        self, control: socket.socket, flow_class: type, run_spec: RunSpec, selector: WatchedSelector
    ) -> None:
        control.setblocking(False)
        self._control = control
        self._flow_class = flow_class
        self._run = run_spec
        self._selector = selector
        self._origins = Origins(LocalStore(run_spec.store_root))
        self._outbox = AsyncOutbox(control)
        self._frames = Frames()
        self._attempts: dict[int, AsyncAttempt] = {}
        self._owners: dict[asyncio.Task[Any], AsyncAttempt] = {}  # Any: whatever the user's tasks return
        self._threads: anyio.CapacityLimiter | None = None
        self._group: TaskGroup | None = None

    async def serve(self) -> None:
        """Do as the scheduler says. Ends with the process."""
        loop = asyncio.get_running_loop()
        self._threads = anyio.CapacityLimiter(_THREADS)
        self._outbox.open(loop)
        share_process(self._outbox.write)
        loop.set_task_factory(self._make_task)
        self._outbox.tell(Told.HELLO, os.getpid())
        Watchdog(self._selector, threading.get_ident(), self._tell_blocked).start()
        async with anyio.create_task_group() as group:
            self._group = group
            loop.add_reader(self._control, self._listen)
            await anyio.sleep_forever()

    def _listen(self) -> None:
        try:
            data = self._control.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        if not data:
            os._exit(0)  # the scheduler is gone, or wants no more
        for verb, token, body in self._frames.feed(data):
            self._do(verb, token, body)

    def _do(self, verb: int, token: int, body: bytes) -> None:
        assert self._group is not None
        if verb == Verb.LAUNCH:
            attempt = prepare_async(
                self._flow_class, self._run, unpack_task(body), self._origins, token=token
            )
            attempt.threads = self._threads
            self._attempts[token] = attempt  # at once: a stop may be the next frame
            self._group.start_soon(self._attend, attempt)
            return
        attempt = self._attempts.get(token)
        if attempt is None:
            return
        if verb == Verb.FORCE:
            self._group.start_soon(self._force, attempt)
        else:
            attempt.stop()

    def _launch(self, group: TaskGroup, token: int, spec: TaskSpec) -> None:
        try:
            attempt = prepare_async(self._flow_class, self._run, spec, self._origins, token=token)
        except KeyError as error:  # a flow without that step: its file has changed
            told = report.encode(spec.attempt, Failed(error=info_of(error)))
            self._outbox.tell(Told.REPORT, token, told)
            return
        attempt.threads = self._threads
        self._attempts[token] = attempt  # at once: a stop may be the next frame
        group.start_soon(self._attend, attempt)

    async def _attend(self, attempt: AsyncAttempt) -> None:
        """Run one attempt from its launch to its report."""
        token = attempt.token
        self._outbox.tell(Told.STARTED, token)
        told = await attempt.run_and_report()
        if self._attempts.pop(token, None) is not None and told is not None:
            self._outbox.tell(Told.REPORT, token, told)

    async def _force(self, attempt: AsyncAttempt) -> None:
        """End an attempt whatever it does: cancel it, and if that does not help, give it up."""
        attempt.ended = anyio.Event()
        attempt.stop()
        with anyio.move_on_after(_FORCED_S):
            await attempt.ended.wait()
            return
        if self._attempts.pop(attempt.token, None) is None:
            return
        place = attempt.place()
        where = f" It waits at {place}." if place else ""
        text = (
            "asyncflow: the step did not end when it was cancelled: it catches asyncio.CancelledError and goes on, "
            f"or cleans up for too long.{where} It is given up, and its worker with it.\n"
        )
        self._outbox.write(attempt.token, 2, text.encode())
        attempt.is_abandoned = attempt.is_over = True
        self._outbox.tell(Told.GIVEN_UP, attempt.token)

    def _make_task(
        self, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any
    ) -> asyncio.Task[Any]:  # Any: asyncio's own types differ by version
        task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, **options)
        context = options.get("context")
        owner = OWNER.get() if context is None else context.get(OWNER)
        if isinstance(owner, AsyncAttempt) and not owner.is_over:
            owner.adopt(task)
            self._owners[task] = owner
            task.add_done_callback(self._disown)
        return task

    def _disown(self, task: asyncio.Task[Any]) -> None:
        self._owners.pop(task, None)

    def _tell_blocked(self, blocked_s: float, place: str) -> None:
        """Name who blocks the loop, in its own log. Called by the watchdog's thread, while the loop stands still."""
        if self._outbox.is_waiting or not place:
            return
        task = asyncio.current_task(self._outbox.loop)
        owner = None if task is None else self._owner_of(task)
        text = (
            f"asyncflow: the event loop of {len(self._attempts)} task(s) has been blocked for {blocked_s:.1f} s "
            f"at {place}. Await something asynchronous there, use anyio.to_thread.run_sync, or "
            '@step(isolation="process").\n'
        )
        if owner is None:
            os.write(2, text.encode())
        else:
            self._outbox.write(owner.token, 2, text.encode())
            self._outbox.flush()

    def _owner_of(self, task: asyncio.Task[Any]) -> AsyncAttempt | None:
        owner = self._owners.get(task)
        if owner is not None:
            return owner
        return next((attempt for attempt in list(self._attempts.values()) if attempt.task is task), None)

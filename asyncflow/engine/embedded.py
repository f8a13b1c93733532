"""The engine: drives runs as tasks of the program that it is part of.

Theory of operation. Everything lives in one task group on the program's own event loop. Runs share one log (one writer,
one connection), the slots, and for each flow one process, the stem, that imports it and that the runs' zygotes are
forked from: the program itself has threads and a loop and must not be forked. Leaving the engine's block asks every run
to stop, waits while its tasks may use their grace time, kills what is left, and closes all of it; what was recorded can
be resumed.
"""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from asyncflow.backends.base import Backend
from asyncflow.engine.handle import HandleObserver, RunHandle
from asyncflow.engine.planning import Asked, EngineError, Plan, plan_new, plan_resume
from asyncflow.machine.events import Limits, RunStatus
from asyncflow.runtime.clock import SystemClock
from asyncflow.runtime.groups import first_of_ours
from asyncflow.runtime.inbox import Inbox
from asyncflow.runtime.session import Host, RunRequest, RunResult, drive_new, drive_on, remote_of
from asyncflow.runtime.slots import SharedSlots, SlottedBackend
from asyncflow.settings import apply_files
from asyncflow.store.home import make_home
from asyncflow.store.layout import DATABASE, temporary_directory

if TYPE_CHECKING:
    from asyncflow.backends.local import Stem, Zygote
    from asyncflow.events.sqlite_log import SqliteLog
    from asyncflow.runtime.remote import RemoteHome

__all__ = ["Engine"]

_log = logging.getLogger(__name__)

_MARGIN_S = 5.0
"""Beyond the grace time of its tasks, how long a run may take to stop before all of it is killed."""


class Engine:
    """Drives runs inside an asyncio program. Use it as an async context, in one event loop.

    Args:
        home: The store's directory. None: `ASYNCFLOW_HOME`, else the nearest `.asyncflow`, else a new one here.
        max_workers: Tasks of all runs together that may run at the same time; async steps are not counted.
        max_async: Tasks of async steps that may run at the same time, of each run.
        async_workers: Processes that share the tasks of a run's async steps.
        stop_grace_s: How long tasks that are asked to stop (SIGTERM) may take before they are killed, seconds.
        isolation: `fork`, or `spawn` for a fresh interpreter for every task.

    Raises:
        EngineError: On making it, a number is too small. On entering, the event loop is not asyncio's.
        StoreError: On entering, the store cannot be opened or written.
    """

    def __init__(
        self,
        home: str | os.PathLike[str] | None = None,
        *,
        max_workers: int = 16,
        max_async: int = 1000,
        async_workers: int = 1,
        stop_grace_s: float = 10.0,
        isolation: str = "fork",
    ) -> None:
        for name, number in (
            ("max_workers", max_workers),
            ("max_async", max_async),
            ("async_workers", async_workers),
        ):
            if number < 1:
                raise EngineError(f"{name}={number} is less than 1", hint=f"Give {name} of 1 or more.")
        if isolation not in ("fork", "spawn"):
            raise EngineError(f"isolation={isolation!r} is unknown", hint="Give 'fork' or 'spawn'.")
        self._wanted_home = None if home is None else os.path.abspath(os.fspath(home))
        self._limits = Limits(slots=max_workers, async_slots=max_async, stop_grace_s=stop_grace_s)
        self._async_workers = async_workers
        self._isolation = isolation
        self._slots = SharedSlots(max_workers)
        self._clock = SystemClock()
        self._owner: asyncio.Task[None] | None = None
        self._leave = asyncio.Event()
        self._group: TaskGroup | None = None
        self._log: SqliteLog | None = None
        self._remote: RemoteHome | None = None
        self._home = ""
        self._stems: dict[tuple[object, ...], Stem] = {}
        self._runs: dict[RunHandle, None] = {}

    @property
    def home(self) -> str:
        """The store's directory; empty before the engine is entered."""
        return self._home

    def runs(self) -> list[RunHandle]:
        """Return the runs that this engine drives now, oldest first."""
        return list(self._runs)

    async def __aenter__(self) -> Self:
        """Open the store."""
        loop = _running_loop()
        self._home = await anyio.to_thread.run_sync(self._make_home)
        opened: asyncio.Future[None] = loop.create_future()
        # A task of its own, awaited in `__aexit__`: fixtures and frameworks enter and leave in different tasks, which a
        # task group and its cancel scopes do not survive.
        self._owner = loop.create_task(self._own(opened), name="asyncflow engine")
        try:
            await opened
        except BaseException:
            self._leave.set()
            await _settled(self._owner)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop every run, and leave no task, process, thread or descriptor of ours. Bounded in time.

        Cancellation: takes effect when that is done.
        """
        assert self._owner is not None, "an engine is left after it was entered"
        self._leave.set()
        await _settled(self._owner)

    async def _own(self, opened: asyncio.Future[None]) -> None:
        """Hold everything open until the engine is left."""
        from asyncflow.events.sqlite_log import SqliteLog  # SQLite

        try:
            async with (
                SqliteLog(os.path.join(self._home, DATABASE)) as log,
                remote_of(self._home, log, self._clock) as remote,
                self._closing_stems(),
                anyio.create_task_group() as group,
            ):
                self._log, self._group, self._remote = log, group, remote
                opened.set_result(None)
                await self._leave.wait()
                self._group = None
                with anyio.move_on_after(self._limits.stop_grace_s + _MARGIN_S, shield=True):
                    await self._stop_all()
                group.cancel_scope.cancel()
        except BaseException as error:
            if opened.done():
                raise
            opened.set_exception(first_of_ours(error))
        finally:
            self._group = None

    async def start(
        self,
        flow: type | str | os.PathLike[str],
        params: Mapping[str, Any] | None = None,
        *,
        tags: Sequence[str] = (),
        max_workers: int | None = None,
        keep_going: bool = False,
        user: str | None = None,
    ) -> RunHandle:
        """Start a new run; return when it has an id.

        Args:
            flow: The flow's class, defined in a file; or the file: `flow.py`, `flow.py:Class`.
            params: Values of its parameters by name; a text is converted as on the command line.
            tags: To find the run again.
            max_workers: Tasks of this run that may run at the same time. None: as many as the engine has.
            keep_going: After a failure go on with everything that does not depend on it.
            user: Who runs it. None: the user of this process.

        Raises:
            UserError: The flow or a parameter is wrong; says what and where.
            PlatformError: It cannot be started, or not be recorded.

        Cancellation: the run may have begun, and goes on; `runs()` has it.
        """
        asked = self._asked(tags, max_workers, keep_going=keep_going, user=user)
        return await self._begin(await anyio.to_thread.run_sync(lambda: plan_new(flow, params or {}, asked)))

    async def resume(
        self,
        run: int,
        *,
        step: str | None = None,
        flow: type | str | os.PathLike[str] | None = None,
        tags: Sequence[str] = (),
        max_workers: int | None = None,
        keep_going: bool = False,
    ) -> RunHandle:
        """Go on with a run: under its id if it was interrupted, else in a new one that takes over what went well.

        Args:
            run: Its id.
            step: A step that is to run again, with all that comes after it. None: what has not succeeded.
            flow: The flow as it is now. None: the file the run was started from.
            tags: Of a new run.
            max_workers: As of `start`.
            keep_going: As of `start`.

        Raises:
            UserError: There is no such run, step or flow.
            RunIsElsewhere: A living process drives the run.
            PlatformError: It cannot be started, read or recorded.

        Cancellation: as of `start`.
        """
        asked = self._asked(tags, max_workers, keep_going=keep_going)
        home = self._home
        return await self._begin(
            await anyio.to_thread.run_sync(lambda: plan_resume(home, run, flow, step, asked))
        )

    def _make_home(self) -> str:
        apply_files()
        if self._wanted_home is None:
            return make_home()
        return make_home(at=self._wanted_home)

    def _asked(
        self, tags: Sequence[str], max_workers: int | None, *, keep_going: bool, user: str | None = None
    ) -> Asked:
        if max_workers is not None and max_workers < 1:
            raise EngineError(f"max_workers={max_workers} is less than 1", hint="Give 1 or more.")
        slots = self._limits.slots if max_workers is None else min(max_workers, self._limits.slots)
        return Asked(
            home=self._home,
            tags=tags if isinstance(tags, str) else tuple(tags),  # type: ignore[arg-type]  # refused in words
            user=user,
            limits=self._limits._replace(slots=slots, keep_going=keep_going),
            isolation=self._isolation,
            async_workers=self._async_workers,
        )

    async def _begin(self, plan: Plan) -> RunHandle:
        if self._group is None or self._log is None:
            raise EngineError(
                "The engine is not entered", hint="Use it so: async with asyncflow.Engine() as engine:"
            )
        request = plan.request
        handle = RunHandle(self._log, self._home, request.graph.flow, request.graph.end)
        self._runs[handle] = None
        observer = HandleObserver(handle, plan.living)
        host = self._host(request.flow, handle, self._log, self._group)

        async def drive() -> RunResult:
            if plan.run is None:
                return await drive_new(request, host, observer)
            return await drive_on(request, plan.run, host, observer)

        self._group.start_soon(self._drive, handle, drive, request)
        await handle._begun()
        return handle

    def _host(self, flow: type, handle: RunHandle, log: SqliteLog, group: TaskGroup) -> Host:
        def share(backend: Backend, inbox: Inbox) -> Backend:
            return SlottedBackend(backend, self._slots, inbox=inbox, clock=self._clock, group=group)

        async def zygote() -> Zygote:
            return await self._stem(flow).zygote()

        return Host(
            log=log,
            home=self._home,
            clock=self._clock,
            zygote=zygote,
            steer=handle._steer,
            share=share,
            remote=self._remote,
        )

    async def _drive(
        self, handle: RunHandle, drive: Callable[[], Coroutine[Any, Any, RunResult]], request: RunRequest
    ) -> None:
        """Drive one run; whatever becomes of it is its own, and told to those who wait for it."""
        try:
            result = await drive()
        except Exception as error:  # noqa: BLE001 - told by `wait`; no run ends another
            handle._finish(None, first_of_ours(error))
        except BaseException:
            handle._finish(None)
            raise
        else:
            handle._finish(result.status)
            self._runs.pop(handle, None)
            await self._call_hooks(request, result)
        finally:
            self._runs.pop(handle, None)

    async def _call_hooks(self, request: RunRequest, result: RunResult) -> None:
        """Call the flow's exit hooks; leaving the engine ends them."""
        from asyncflow.runtime.exit_hooks import call_exit_hooks

        hooks = call_exit_hooks(
            request.flow,
            request.flow_file,
            home=self._home,
            run=result.run,
            succeeded=result.status is RunStatus.SUCCEEDED,
            output=subprocess.DEVNULL,
        )
        async with aclosing(hooks):
            async for hook in hooks:
                if hook.problem:
                    _log.warning("exit hook %s of run %s %s", hook.name, result.run, hook.problem)

    async def _stop_all(self) -> None:
        for handle in list(self._runs):
            handle._ask_to_stop()
        for handle in list(self._runs):
            await handle._ended.wait()

    def _stem(self, flow: type) -> Stem:
        """Return the stem of a flow; a file that was edited since gets another one."""
        from asyncflow.backends.local import Stem, stem_key

        key = stem_key(flow)
        if key not in self._stems:
            self._stems[key] = Stem(flow, temporary_directory(self._home))
        return self._stems[key]

    @asynccontextmanager
    async def _closing_stems(self) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            stems, self._stems = self._stems, {}
            with anyio.CancelScope(shield=True):
                async with anyio.create_task_group() as group:
                    for stem in stems.values():
                        group.start_soon(stem.aclose)


async def _settled(owner: asyncio.Task[None]) -> None:
    """Wait for a task to its end, even when cancelled. Raises what it raised."""
    cancelled: asyncio.CancelledError | None = None
    while not owner.done():
        try:
            with anyio.CancelScope(shield=True):
                await asyncio.wait((owner,))
        except asyncio.CancelledError as error:
            cancelled = error
    if not owner.cancelled():
        owner.result()
    if cancelled is not None:
        raise cancelled


def _running_loop() -> asyncio.AbstractEventLoop:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise EngineError(
            "An engine needs an asyncio event loop; trio is not supported, as SQLite's driver is not either",
            hint="Run it with asyncio.run(...) or anyio.run(..., backend='asyncio').",
        ) from None

"""Containers without a process: they run for a while and end well. For tests with thousands of pods."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import traceback
from collections.abc import Callable
from typing import Any

from tests.services.kube.kubelet.runtime import OOM_EXIT, Exit, Launch
from tests.services.kube.objects import annotations_of

SECONDS = "noop/seconds"
"""Annotation of a pod: so long it runs."""
EXIT_CODE = "noop/exit-code"
"""Annotation of a pod: so it ends."""
_SIGTERM_EXIT = 143


class NoopRuntime:
    """See the module."""

    def __init__(self, seconds: float, call: str = "") -> None:
        self._seconds = seconds
        self._call = _find(call) if call else None

    async def start(self, launch: Launch) -> _NoopContainer:
        """Pretend to start."""
        said = annotations_of(launch.pod)
        seconds = float(said.get(SECONDS, self._seconds))
        return _NoopContainer(launch, seconds, int(said.get(EXIT_CODE, 0)), self._call)


class _NoopContainer:
    def __init__(self, launch: Launch, seconds: float, code: int, call: Callable[..., Any] | None) -> None:
        self._launch = launch
        self._seconds = seconds
        self._code = code
        self._call = call
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def wait(self) -> Exit:
        """Wait for its time to pass, or for its end by a signal."""
        if self._seconds > 0 or self._ended.done():
            try:
                code = await asyncio.wait_for(asyncio.shield(self._ended), self._seconds)
                self._launch.log.close()
                return Exit(code=code)
            except TimeoutError:
                pass
        code = await self._called() if self._call is not None else self._code
        self._launch.log.close()
        return Exit(code=code)

    async def _called(self) -> int:
        assert self._call is not None
        try:
            said = await self._said()
        except Exception:  # as a process would end that raises
            self._launch.log.write(traceback.format_exc().encode())
            return 1
        return self._code if said is None else int(said)

    async def _said(self) -> int | None:
        """Call it; one that is a coroutine may wait, and hears no more once its container has ended."""
        assert self._call is not None
        places = {mount.path: str(mount.source) for mount in self._launch.mounts}
        env = {name: places.get(value, value) for name, value in self._launch.env.items()}
        given = (self._launch.pod, env)
        if not inspect.iscoroutinefunction(self._call):
            return await asyncio.to_thread(self._call, *given)
        work = asyncio.ensure_future(self._call(*given))
        await asyncio.wait((work, self._ended), return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return work.result()
        work.cancel()
        return self._ended.result()

    async def terminate(self) -> None:
        self._end(_SIGTERM_EXIT)

    async def kill(self) -> None:
        self._end(OOM_EXIT)

    def _end(self, code: int) -> None:
        if not self._ended.done():
            self._ended.set_result(code)


def _find(call: str) -> Callable[..., Any]:
    module, _, name = call.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return found

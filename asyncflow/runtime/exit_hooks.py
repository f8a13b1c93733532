"""Calls a flow's exit hooks when its run has ended. Nothing that happens here changes the run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator

import anyio
from anyio.abc import Process

from asyncflow.flow.decorators.hooks import exit_hooks_of
from asyncflow.records import record
from asyncflow.store.home import HOME_VARIABLE

__all__ = ["HookEnded", "call_exit_hooks"]

_END_S = 5.0


@record
class HookEnded:
    """How one hook went."""

    name: str
    problem: str
    """What went wrong; empty when nothing did."""


async def call_exit_hooks(
    flow_class: type, flow_file: str, *, home: str, run: int, succeeded: bool, output: int | None = None
) -> AsyncGenerator[HookEnded]:
    """Call the hooks one after another, each in a fresh interpreter; yield how each went.

    Args:
        flow_class: The flow.
        flow_file: Its file, which each process imports.
        home: The store's directory.
        run: The run that has ended.
        succeeded: Which hooks to call.
        output: Descriptor for what they print. None: ours.

    Cancellation:
        Ends the hook that runs, and calls no more.
    """
    kind = "on_success" if succeeded else "on_error"
    for position, hooks in enumerate(exit_hooks_of(flow_class)):
        for index, hook in enumerate(hooks.when(succeeded=succeeded)):
            place = (flow_file, flow_class.__name__, kind, str(position), str(index), str(run))
            problem = await _call(place, home, hooks.timeout_s, output)
            yield HookEnded(name=getattr(hook, "__name__", repr(hook)), problem=problem)


async def _call(place: tuple[str, ...], home: str, timeout_s: float, output: int | None) -> str:
    """Call one hook; return what went wrong, or nothing."""
    try:
        process = await anyio.open_process(
            [sys.executable, "-P", "-m", "asyncflow.runtime.exit_hook_main", *place],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, HOME_VARIABLE: home},
            start_new_session=True,  # it and what it starts end together
        )
    except OSError as error:
        return f"could not be started: {error}"
    code: int | None = None
    try:
        with anyio.move_on_after(timeout_s):
            code = await process.wait()
    finally:
        with anyio.move_on_after(_END_S, shield=True):
            await _end(process)
    if code is None:
        return f"took more than {timeout_s:g} s and was killed"
    return "" if code == 0 else f"was killed by signal {-code}" if code < 0 else "failed"


async def _end(process: Process) -> None:
    """End the hook's process if it runs, and whatever it left behind in its group."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass  # nothing is left
    await process.wait()
    await process.aclose()

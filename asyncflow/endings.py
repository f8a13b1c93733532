"""How a process of ours ends: what a program does at its end, and then no more.

The interpreter's own end takes every module apart, 10 to 35 ms for the modules of a run, for memory that the system
frees at once.
"""

from __future__ import annotations

import _thread
import atexit
import os
import sys
import threading
from collections.abc import Callable
from typing import NoReturn

__all__ = ["end_process", "flush_streams", "run_exit_functions"]

# What the interpreter calls at its own end; there are no public names for it.
_shut_down_threads: Callable[[], None] = getattr(threading, "_shutdown")  # noqa: B009
_count_threads: Callable[[], int] = getattr(_thread, "_count")  # noqa: B009
_call_registered: Callable[[], None] = getattr(atexit, "_run_exitfuncs")  # noqa: B009


def run_exit_functions() -> None:
    """Join the threads that are no daemons and call what was registered with atexit, as a program's end does."""
    if _count_threads():
        _shut_down_threads()
    _call_registered()


def flush_streams(*more: object) -> None:
    """Write out everything printed, whatever has been done to the streams."""
    for stream in (sys.stdout, sys.stderr, *more):
        try:
            stream.flush()  # type: ignore[union-attr]
        except (OSError, ValueError, AttributeError):
            continue  # closed, replaced, or nobody reads it any more


def end_process(code: int) -> NoReturn:
    """End this process as `sys.exit(code)` in its main thread does, without taking the interpreter apart."""
    try:
        run_exit_functions()
    finally:
        flush_streams()
        os._exit(code)

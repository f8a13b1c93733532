"""`parallel_map` and `profile`: helpers inside a step."""

from __future__ import annotations

import os
import pickle
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

from asyncflow.errors import UserError

__all__ = ["MulticoreError", "parallel_imap_unordered", "parallel_map", "profile"]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class MulticoreError(UserError):
    """The function failed for one of the items."""

    headline = "parallel_map failed"


def parallel_map(
    func: Callable[[_Item], _Result],
    iterable: Iterable[_Item],
    max_parallel: int | None = None,
    dir: str | None = None,
) -> list[_Result]:
    """Return `func` of every item, in order, each computed in a fork of this process; closures and lambdas will do.

    Args:
        func: The function. Its results are pickled.
        iterable: The items.
        max_parallel: Forks at a time. None: as many as there are cores for this process.
        dir: Where results lie meanwhile. None: the directory for temporary files.

    Raises:
        MulticoreError: It failed for an item; the other forks are ended first.
    """
    found = dict(_results(func, iterable, max_parallel, dir))
    return [found[index] for index in range(len(found))]


def parallel_imap_unordered(
    func: Callable[[_Item], _Result],
    iterable: Iterable[_Item],
    max_parallel: int | None = None,
    dir: str | None = None,
) -> Iterator[_Result]:
    """Yield `func` of every item as results come, in any order. As `parallel_map`."""
    for _, result in _results(func, iterable, max_parallel, dir):
        yield result


@contextmanager
def profile(label: str, stats_dict: dict[str, float] | None = None) -> Generator[None]:
    """Time what is inside.

    Args:
        label: What to call it.
        stats_dict: Add the milliseconds to `stats_dict[label]`. None: print them.
    """
    begun = time.monotonic()
    if stats_dict is None:
        _say(f"PROFILE: {label} starting")
    try:
        yield
    finally:
        took_ms = (time.monotonic() - begun) * 1000
        if stats_dict is None:
            _say(f"PROFILE: {label} completed in {took_ms:.0f}ms")
        else:
            stats_dict[label] = stats_dict.get(label, 0.0) + took_ms


def _results(
    func: Callable[[Any], Any], iterable: Iterable[Any], max_parallel: int | None, directory: str | None
) -> Generator[tuple[int, Any], None, None]:
    limit = max_parallel or len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else max_parallel
    items = enumerate(iterable)
    with tempfile.TemporaryDirectory(prefix="asyncflow-map-", dir=directory) as place:
        forks: dict[int, int] = {}
        try:
            while True:
                for index, item in items:
                    forks[_fork(func, item, f"{place}/{index}")] = index
                    if len(forks) >= (limit or os.cpu_count() or 1):
                        break
                if not forks:
                    return
                pid, status = _wait(forks)
                index = forks.pop(pid)
                yield index, _result(f"{place}/{index}", status, index)
        finally:
            for pid in forks:
                os.kill(pid, 9)
                os.waitpid(pid, 0)


def _fork(func: Callable[[Any], Any], item: Any, path: str) -> int:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    pid = os.fork()
    return pid or _child(func, item, path)


def _child(func: Callable[[Any], Any], item: Any, path: str) -> NoReturn:
    """Compute one result and end, whatever happens: this process is a copy of the task's, which goes on elsewhere."""
    code = 1
    try:
        result = func(item)
        with open(f"{path}.part", "wb") as file:
            pickle.dump(result, file, protocol=5)
        os.rename(f"{path}.part", path)
        code = 0
    except Exception:  # noqa: BLE001 - the user's function may raise anything
        sys.stderr.write(traceback.format_exc())
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


def _wait(forks: dict[int, int]) -> tuple[int, int]:
    """Wait for one of the forks; other children of the process are left alone."""
    delay_s = 0.0005
    while True:
        for pid in forks:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                return pid, os.waitstatus_to_exitcode(status)
        time.sleep(delay_s)
        delay_s = min(0.02, delay_s * 2)


def _result(path: str, status: int, index: int) -> Any:
    if status != 0:
        how = f"was killed by signal {-status}" if status < 0 else "raised an exception, which the log has"
        raise MulticoreError(f"The function {how}, for item {index}")
    with open(path, "rb") as file:
        return pickle.load(file)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()

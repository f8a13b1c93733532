"""How processes of a run are known when their driver and zygote are dead, and their end.

A task's process bears a name made from the store and the run, which processes it forks inherit; and it has a variable in
its environment, which processes it executes inherit. Either is enough. The zygote bears a name of its own: when its
driver dies it kills its tasks with everything below them, which knows more than names, so it is given time for that.
"""

from __future__ import annotations

import os
import time
from hashlib import blake2b
from typing import NamedTuple

from asyncflow.backends.local.processes import kill_process, read_proc
from asyncflow.errors import PlatformError
from asyncflow.machine.ids import Attempt

__all__ = ["TASK_VARIABLE", "Names", "mark_of", "names_of", "sweep_orphans"]

TASK_VARIABLE = "ASYNCFLOW_TASK"
"""Environment variable of a task's process: `<store's directory>:<run>/<task>.<attempt>`."""

ZYGOTE_GRACE_S = 1.5
"""How long a zygote without driver may take to kill what is below it."""
LONGEST_S = 10.0
"""How long a killed process may take to be gone."""
_PAUSE_S = 0.005


class Names(NamedTuple):
    """Names of a run's processes, 15 bytes each."""

    zygote: bytes
    task: bytes


def names_of(store_root: str, run: int) -> Names:
    """Return the names that processes of a run bear: the same for every driver of it, another for every other run."""
    digest = blake2b(f"{store_root}:{run}".encode(errors="surrogateescape"), digest_size=5).hexdigest()
    return Names(b"af.z." + digest.encode(), b"af.t." + digest.encode())


def mark_of(store_root: str, run: int, attempt: Attempt) -> str:
    """Return the value of `ASYNCFLOW_TASK` for an attempt."""
    return f"{store_root}:{run}/{attempt.task}.{attempt.number}"


def sweep_orphans(store_root: str, run: int) -> int:
    """Kill every process that a dead driver's run has left on this machine, and wait until all are gone.

    Only for a run that nobody drives: the caller holds its lease, or drives it and has lost its zygote.
    Blocking: the time of one look through /proc when there is nothing to kill. Does nothing where there is no /proc.

    Returns:
        How many processes were found.

    Raises:
        PlatformError: A process could not be killed.
    """
    begin = time.monotonic()
    found: dict[int, bool] = {}
    while left := _living(store_root, run):
        waited_s = time.monotonic() - begin
        if waited_s > LONGEST_S:
            raise PlatformError(
                f"Processes of run {run} outlived their driver and cannot be killed: {', '.join(map(str, left))}",
                hint=f"See what they wait for (`ps -o pid,stat,wchan,args -p {','.join(map(str, left))}`), "
                "then resume the run again.",
            )
        found |= left
        for pid, is_zygote in left.items():
            if not is_zygote or waited_s > ZYGOTE_GRACE_S:
                kill_process(pid)
        time.sleep(_PAUSE_S)
    return len(found)


def _living(store_root: str, run: int) -> dict[int, bool]:
    """Return the run's living processes by pid: True for a zygote."""
    names = names_of(store_root, run)
    mark = os.fsencode(f"{TASK_VARIABLE}={store_root}:{run}/")
    found: dict[int, bool] = {}
    own = os.getpid()
    for entry in _pids():
        if entry == own:
            continue
        stat = read_proc(entry, "stat")
        end = stat.rfind(b")")
        if end < 0 or stat[end + 2 : end + 3] in (b"Z", b"X"):
            continue
        name = stat[stat.index(b"(") + 1 : end]
        if name in names:
            found[entry] = name == names.zygote
        elif _is_marked(entry, mark):
            found[entry] = False
    return found


def _pids() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []


def _is_marked(pid: int, mark: bytes) -> bool:
    environ = read_proc(pid, "environ")
    return environ.startswith(mark) or b"\0" + mark in environ

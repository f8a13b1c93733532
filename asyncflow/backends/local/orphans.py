"""How processes of a run are known when their driver and zygote are dead, and their end.

The zygote bears a name made from the store and the run, which processes it forks inherit; and tasks have a variable
in their environment, which processes they execute inherit. Either is enough. When its driver dies the zygote kills
everything below it, marked or not, so it is given time for that.
"""

from __future__ import annotations

import os
import time

from blake3 import blake3

from asyncflow.backends.local.processes import kill_process, read_proc
from asyncflow.errors import PlatformError

__all__ = ["RUN_VARIABLE", "mark_of", "name_of", "sweep_orphans"]

RUN_VARIABLE = "ASYNCFLOW_RUN"
"""Environment variable of a task's process: `<store's directory>:<run>`."""

ZYGOTE_GRACE_S = 1.5
"""How long a zygote without driver may take to kill what is below it."""
LONGEST_S = 10.0
"""How long a killed process may take to be gone."""
_PAUSE_S = 0.005


def name_of(store_root: str, run: int) -> bytes:
    """Return the name, of 15 bytes, that processes of a run bear: another one for every store and run."""
    return b"af." + blake3(_bytes_of(store_root, run)).hexdigest(length=6).encode()


def mark_of(store_root: str, run: int) -> str:
    """Return the value of `ASYNCFLOW_RUN` for a run's tasks."""
    return f"{store_root}:{run}"


def sweep_orphans(store_root: str, run: int, *, grace_s: float = ZYGOTE_GRACE_S) -> int:
    """Kill every process that a dead driver's run has left on this machine, and wait until all are gone.

    Only for a run that nobody drives: the caller holds its lease, or drives it and has lost its zygote.
    Blocking: the time of one look through /proc when there is nothing to kill. Does nothing where there is no /proc.

    Args:
        store_root: The store's directory.
        run: The run.
        grace_s: How long a zygote that lives may take to kill what is below it; 0 where it is known to be dead.

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
            if not is_zygote or waited_s > grace_s:
                kill_process(pid)
        time.sleep(_PAUSE_S)
    return len(found)


def _living(store_root: str, run: int) -> dict[int, bool]:
    """Return the run's living processes by pid: True for one that may be a zygote."""
    name = name_of(store_root, run)
    mark = b"%s=%s" % (RUN_VARIABLE.encode(), _bytes_of(store_root, run))
    parents: dict[int, int] = {}
    leaders: list[int] = []
    own = os.getpid()
    for pid in _pids():
        stat = read_proc(pid, "stat")
        end = stat.rfind(b")")
        if pid == own or end < 0:
            continue
        state, parent, _, session = stat[end + 2 :].split(b" ", 4)[:4]
        if state in (b"Z", b"X"):
            continue
        if stat[stat.index(b"(") + 1 : end] == name or mark in read_proc(pid, "environ").split(b"\0"):
            parents[pid] = int(parent)
            if int(session) == pid:
                leaders.append(pid)
    return {pid: pid in leaders and parent not in parents for pid, parent in parents.items()}


def _bytes_of(store_root: str, run: int) -> bytes:
    return os.fsencode(mark_of(store_root, run))


def _pids() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []

"""What chaos flows write down about themselves, where no engine can lose it: one appended line a moment.

A line is `what run step task attempt place pid start-time at`; one `write` of less than a page with O_APPEND is whole.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

from asyncflow import current

VARIABLE = "CHAOS_JOURNAL"


def begin(*place: object) -> None:
    """Note that user code of this attempt starts. `place` tells siblings apart: indices, iteration."""
    _note("begin", place, os.getpid())


def end(*place: object) -> None:
    """Note that user code of this attempt is about to hand on."""
    _note("end", place, os.getpid())


def spawned(pid: int, *place: object) -> None:
    """Note a process that this attempt started and that must not outlive it."""
    _note("spawned", place, pid)


def spawn_daemon(seconds: int) -> int:
    """Start a process that no parent waits for: forked twice, its own session, no environment. Returns its pid."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(writer, str(os.getpid()).encode())
            os.close(writer)
            os.execve(sys.executable, [sys.executable, "-S", "-c", f"import time; time.sleep({seconds})"], {})
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    pid = int(os.read(reader, 32))
    os.close(reader)
    return pid


def spawn_sleeper(seconds: int) -> int:
    """Start a plain child process and leave it. Returns its pid."""
    return subprocess.Popen(["sleep", str(seconds)]).pid


def _note(what: str, place: tuple[object, ...], pid: int) -> None:
    path = os.environ.get(VARIABLE)
    if not path:
        return
    where = ".".join(map(str, place)) or "-"
    who = f"{current.run_id} {current.step_name} {current.task_id} {current.retry_count}"
    line = f"{what} {who} {where} {pid} {_start_of(pid)} {time.time():.6f}\n"
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(fd, line.encode())
    finally:
        os.close(fd)


def _start_of(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rsplit(b")", 1)[1].split()[19])
    except OSError:
        return 0

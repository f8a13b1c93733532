"""How the container of a job is run: as a process of this machine, in Docker, by a function, or not at all."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

from tests.services.batch.words import cannot_start

PROCESS, DOCKER, NOOP = "process", "docker", "noop"
FUNCTION = "function:"
"""`function:package.module:name`: a function in the server's process runs in place of the command."""

Line = Callable[[str], None]
"""Takes a line of output, without its end."""


class CannotStart(Exception):
    """A container that never ran; its text is the container's reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What became of a container."""

    exit_code: int | None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A container to be."""

    name: str
    """Unlike all others."""
    image: str
    command: Sequence[str]
    environment: Mapping[str, str]
    memory_mib: int
    vcpus: float


class Container(Protocol):
    """A running container."""

    def wait(self) -> Ended:
        """Return once it has ended and its output is told."""
        ...

    def stop(self, grace_s: float) -> None:
        """Send SIGTERM, and SIGKILL when the grace is over. Returns at once."""
        ...

    def kill(self) -> None:
        """Send SIGKILL."""
        ...


class Runner(Protocol):
    """Starts containers."""

    def start(self, call: Call, line: Line) -> Container:
        """Start one. Raises CannotStart."""
        ...


_BARE = re.compile(r"^(.*/)?python:[\w.-]+$")


@cache
def path_of(image: str) -> str:
    """Return the PATH an image has: `python:...` is a bare Python, all others have the tests' packages."""
    system = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    if not _BARE.match(image):
        return f"{Path(sys.prefix) / 'bin'}:{system}"
    return f"{_bare_python()}:{system}"


@cache
def _bare_python() -> Path:
    """Make a directory with `python` and `python3`: the interpreter behind the tests' environment."""
    folder = Path(tempfile.mkdtemp(prefix="asyncflow-batch-python-"))
    for name in ("python", "python3"):
        (folder / name).symlink_to(os.path.realpath(sys.executable))
    return folder


_at_end: list[str] = []


def remove_at_end(folder: str) -> None:
    """Let a directory go with this process."""
    _at_end.append(folder)


def tidy() -> None:
    """Remove what was made for all jobs of this process."""
    for folder in _at_end:
        shutil.rmtree(folder, ignore_errors=True)
    if _bare_python.cache_info().currsize:
        shutil.rmtree(_bare_python(), ignore_errors=True)


class Processes:
    """Containers as processes, each with a directory and a session of its own. Limits are not enforced."""

    def start(self, call: Call, line: Line) -> Container:
        return _Process(call, line)


class _Process:
    def __init__(self, call: Call, line: Line) -> None:
        self._home = tempfile.mkdtemp(prefix="asyncflow-batch-job-")
        environment = {
            "PATH": path_of(call.image),
            "HOME": self._home,
            "TMPDIR": self._home,
            "LANG": "C.UTF-8",
            **call.environment,
        }
        command = list(call.command)
        program = shutil.which(command[0], path=environment["PATH"]) if command else None
        if program is None:
            shutil.rmtree(self._home, ignore_errors=True)
            raise CannotStart(cannot_start(command[0] if command else ""))
        self._process = subprocess.Popen(
            [program, *command[1:]],
            env=environment,
            cwd=self._home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, args=(line,), daemon=True)
        self._reader.start()

    def _read(self, line: Line) -> None:
        assert self._process.stdout is not None
        for raw in self._process.stdout:
            line(raw.decode(errors="replace").rstrip("\r\n"))

    def wait(self) -> Ended:
        code = self._process.wait()
        self._signal(signal.SIGKILL)  # as a container's other processes die with its first
        self._reader.join(5)
        shutil.rmtree(self._home, ignore_errors=True)
        return Ended(exit_code=code if code >= 0 else 128 - code)

    def stop(self, grace_s: float) -> None:
        if self._process.poll() is None:
            self._process.terminate()  # as a container's first process alone is told
        last = threading.Timer(grace_s, self._kill_if_there)
        last.daemon = True
        last.start()

    def _kill_if_there(self) -> None:
        if self._process.poll() is None:
            self._signal(signal.SIGKILL)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            pass  # nobody is left


class Functions:
    """A function of the server's process in place of each container, a few at a time."""

    def __init__(self, name: str) -> None:
        module, _, function = name.partition(":")
        self._function: Callable[[Call], int | None] = getattr(importlib.import_module(module), function)
        self._pool = ThreadPoolExecutor(8)

    def start(self, call: Call, line: Line) -> Container:
        return _Future(self._pool, self._function, call, line)


class _Future:
    def __init__(
        self, pool: ThreadPoolExecutor, function: Callable[[Call], int | None], call: Call, line: Line
    ) -> None:
        self._line = line
        self._is_killed = False
        self._future = pool.submit(function, call)

    def wait(self) -> Ended:
        try:
            code = self._future.result()
        except Exception as error:  # the tests' own function: what it raises belongs into the job's log
            self._line(f"{type(error).__name__}: {error}")
            code = 1
        return Ended(exit_code=137 if self._is_killed else code or 0)

    def stop(self, grace_s: float) -> None:
        self.kill()

    def kill(self) -> None:
        self._is_killed = True

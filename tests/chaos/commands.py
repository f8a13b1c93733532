"""Runs the real command line in processes of its own, each with a time limit and a mark to find its offspring by."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.processes import has_child, kill_marked

__all__ = ["ASYNCFLOW", "FLOWS", "LONGEST_S", "Ended", "Invocation", "Workplace"]

ASYNCFLOW = str(Path(sys.executable).with_name("asyncflow"))
FLOWS = Path(__file__).with_name("flows")
LONGEST_S = 120.0
"""No command of ours takes longer; one that does hangs, which is a failure."""
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "COVERAGE_PROCESS_START")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    out: bytes
    err: bytes
    seconds: float

    @property
    def stdout(self) -> str:
        """What it wrote to stdout, as text."""
        return self.out.decode("utf-8", "replace")

    @property
    def stderr(self) -> str:
        """What it wrote to stderr, as text."""
        return self.err.decode("utf-8", "replace")

    @property
    def text(self) -> str:
        """Both streams, for error messages and for asserting on either."""
        return f"{self.stdout}\n{self.stderr}"


class Invocation:
    """One running command."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], cwd: Path, mark: str) -> None:
        self.mark = mark
        self.argv = list(argv)
        self.started_at = time.time()
        self._begin = time.monotonic()
        self._out = cwd / f"{mark}.out"
        self._err = cwd / f"{mark}.err"
        with open(self._out, "wb") as out, open(self._err, "wb") as err:
            self.process = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=dict(env),
                cwd=cwd,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Process id of the command, which is the scheduler."""
        return self.process.pid

    @property
    def is_running(self) -> bool:
        """Whether the command has not ended."""
        return self.process.poll() is None

    def wait_for_birth(self, run_id_file: Path | None) -> float:
        """Wait until the command drives a run, or has ended; return the time (monotonic).

        That is when it has written the run's id, or without a file for it, when it has a zygote.
        """
        while self.is_running:
            if has_child(self.pid) if run_id_file is None else run_id_file.exists():
                break
            time.sleep(0.003)
        return time.monotonic()

    def wait(self, timeout_s: float = LONGEST_S) -> Ended:
        """Wait for the end. Raises AssertionError, after killing everything, if it does not come in time."""
        try:
            code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            kill_marked(self.mark)
            self.process.wait(10)
            raise AssertionError(
                f"hangs: {' '.join(self.argv)} was not over after {timeout_s:g} s\n{self._tail()}"
            ) from None
        seconds = time.monotonic() - self._begin
        return Ended(code, _read(self._out), _read(self._err), seconds)

    def _tail(self) -> str:
        return (_read(self._out)[-3000:] + b"\n" + _read(self._err)[-3000:]).decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Workplace:
    """A directory with a store, a journal, and the outputs of commands run in it."""

    root: Path
    home: Path
    journal: Path
    extra: dict[str, str] = field(default_factory=dict[str, str])
    """More environment variables."""

    @classmethod
    def make(cls, root: Path, *, home: Path | None = None, **extra: str) -> Workplace:
        """Make the directory. `home` is the store to use; None: one of its own."""
        root.mkdir(parents=True, exist_ok=True)
        return cls(root, home or root / "store", root / "journal", extra)

    def start(self, *args: str, program: Sequence[str] = (ASYNCFLOW,)) -> Invocation:
        """Start `asyncflow ARGS`, or another program with them."""
        mark = f"chaos-{uuid.uuid4().hex[:12]}"
        return Invocation([*program, *args], self.environment(mark), self.root, mark)

    def run(self, *args: str, timeout_s: float = LONGEST_S, program: Sequence[str] = (ASYNCFLOW,)) -> Ended:
        """Run `asyncflow ARGS` to its end."""
        return self.start(*args, program=program).wait(timeout_s)

    def environment(self, mark: str) -> dict[str, str]:
        """Return the whole environment of a command: nothing leaks in from the tester's own."""
        kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        return {
            **kept,
            "USER": "chaos",
            "PYTHONPATH": str(FLOWS),
            "ASYNCFLOW_HOME": str(self.home),
            "CHAOS_JOURNAL": str(self.journal),
            "CHAOS_MARK": mark,
            **self.extra,
        }


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""

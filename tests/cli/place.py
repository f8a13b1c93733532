"""A directory with a store, the commands in it, and what they wrote with everything that varies taken out."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["ASYNCFLOW", "FLOWS", "GOLDEN", "Ended", "Place", "assert_golden"]

ASYNCFLOW = (sys.executable, "-c", "from asyncflow.cli.main import main; main()")
FLOWS = Path(__file__).with_name("flows")
GOLDEN = Path(__file__).parents[1] / "golden" / "cli"
_CHECKOUT = Path(__file__).parents[2]
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")
_VARYING = (
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}"), "TIME"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"), "SECOND"),
    (re.compile(r"\(pid \d+\)"), "(pid PID)"),
    (re.compile(r"\S*asyncflow-crash-\w+\.txt"), "CRASHFILE"),
)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str
    """Both without times, process ids and the place's own path."""


@dataclass(frozen=True, slots=True)
class Place:
    """A working directory with a store of its own."""

    root: Path
    extra: dict[str, str] = field(default_factory=dict[str, str])
    """More environment variables."""

    def environment(self) -> dict[str, str]:
        """Return the whole environment of a command."""
        kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        fixed = {"USER": "ada", "TZ": "UTC", "COLUMNS": "80", "PYTHONDONTWRITEBYTECODE": "1"}
        return {**kept, **fixed, **self.extra}

    def start(self, *args: str, program: Sequence[str] = ASYNCFLOW) -> subprocess.Popen[bytes]:
        """Start `asyncflow ARGS`; it leads a session of its own."""
        return subprocess.Popen(
            [*program, *args],
            cwd=self.root,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def run(self, *args: str, program: Sequence[str] = ASYNCFLOW) -> Ended:
        """Run `asyncflow ARGS` to its end."""
        return self.end_of(self.start(*args, program=program))

    def end_of(self, process: subprocess.Popen[bytes], timeout_s: float = 50) -> Ended:
        """Wait for a command and return how it ended."""
        try:
            stdout, stderr = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return Ended(process.returncode, self.steady(stdout), self.steady(stderr))

    def script(self, flow: str, *args: str) -> Ended:
        """Run `python flow.py ARGS`."""
        return self.run(*args, program=(sys.executable, self.flow(flow)))

    def script_of(self, file: str, *args: str) -> Ended:
        """Run `python FILE ARGS`, a file that is there already."""
        return self.run(*args, program=(sys.executable, file))

    def flow(self, name: str) -> str:
        """Copy one of the flows beside these tests to the working directory; return its name there."""
        shutil.copyfile(FLOWS / f"{name}.py", self.root / f"{name}.py")
        return f"{name}.py"

    def steady(self, output: bytes) -> str:
        """Take out what differs from run to run."""
        text = output.decode("utf-8", "backslashreplace")
        for pattern, word in _VARYING:
            text = pattern.sub(word, text)
        return text.replace(str(self.root), "HERE").replace(str(_CHECKOUT), "CHECKOUT")


def assert_golden(name: str, text: str) -> None:
    """Compare a text with the one kept under a name; `UPDATE_GOLDEN=1` keeps it anew."""
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()

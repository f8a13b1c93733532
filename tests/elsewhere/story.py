"""Tells of a run that `asyncflow` made in a process of its own: what it said, and what it left."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.packages import PACKAGES

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine as far as asyncflow knows one: a directory to work in, a cache, an environment."""

    folder: Path
    environment: Mapping[str, str]

    @classmethod
    def at(cls, folder: Path, **environment: str) -> Machine:
        """Make one that knows of no store, cache or configuration but its own."""
        folder.mkdir(parents=True, exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("METAFLOW_")}
        environment = {name: value for name, value in environment.items() if value != kept.get(name)}
        own = {
            "HOME": str(folder),
            "ASYNCFLOW_CACHE_DIR": str(folder / "cache"),
            "XDG_CACHE_HOME": PACKAGES,
            "ASYNCFLOW_HOME": "",
            "ASYNCFLOW_UI": "plain",
            "PYTHONUNBUFFERED": "1",
            "COLUMNS": "120",
        }
        return cls(folder=folder, environment={**kept, **own, **environment})

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command; its output is one text."""
        return subprocess.Popen(
            [sys.executable, "-m", "asyncflow", *arguments],
            cwd=self.folder,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str, code: int | None = 0, within_s: float = 120) -> str:
        """Run a command to its end; return what it said."""
        process = self.start(*arguments)
        try:
            said, _ = process.communicate(timeout=within_s)
        except subprocess.TimeoutExpired:
            process.terminate()
            said, _ = process.communicate(timeout=20)
            raise AssertionError(f"{arguments} did not end within {within_s} s:\n{said}") from None
        assert code is None or process.returncode == code, (
            f"{arguments}: exit code {process.returncode}\n{said}"
        )
        return said

    @contextmanager
    def log(self) -> Iterator[sqlite3.Connection]:
        """Open the event log of the one store that this machine has."""
        (path,) = self.folder.glob("**/asyncflow.db")
        with closing(sqlite3.connect(path)) as db:
            yield db

    def digests(self, run: int) -> dict[tuple[str, str, str], str]:
        """Return the digest of every artifact that a run made, by step, path and name."""
        query = (
            "SELECT t.step, t.path, a.name, a.digest FROM artifacts a JOIN tasks t "
            "ON t.run = a.run AND t.task = a.task WHERE a.run = ?"
        )
        with self.log() as db:
            return {(step, path, name): digest for step, path, name, digest in db.execute(query, (run,))}

"""Machines that share nothing but a bucket: each has a directory, a replica and processes of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos.processes import MARK_VARIABLE, kill_marked
from tests.cli.place import Ended, Place
from tests.packages import PACKAGES
from tests.services import moto

__all__ = ["FLOWS", "Cluster", "Machine", "until"]

FLOWS = Path(__file__).with_name("flows")
_PATIENCE_S = 40.0


def until(
    condition: Callable[[], Any], what: str, within_s: float = _PATIENCE_S
) -> Any:  # Any: what it returns
    """Wait until a condition holds; return what it returned."""
    deadline = time.monotonic() + within_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {within_s:g} s: {what}"
        time.sleep(0.05)
    return found


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine."""

    place: Place

    def run(self, *args: str) -> Ended:
        """Run `asyncflow ARGS` to its end."""
        return self.end_of(self.start(*args))

    def start(self, *args: str) -> subprocess.Popen[bytes]:
        """Start `asyncflow ARGS`."""
        return self.place.start(*args)

    def end_of(self, process: subprocess.Popen[bytes]) -> Ended:
        """Wait for a command."""
        return self.place.end_of(process, timeout_s=150)

    def ok(self, *args: str) -> str:
        """Run a command that has to end well; return what it wrote to stdout."""
        ended = self.run(*args)
        assert ended.code == 0, f"{args}: {ended.code}\n{ended.stdout}\n{ended.stderr}"
        return ended.stdout

    def python(self, code: str) -> str:
        """Run a few lines of Python there; return what they wrote."""
        ended = self.place.run("-c", code, program=(sys.executable,))
        assert ended.code == 0, ended.stderr
        return ended.stdout

    def flow(self, name: str) -> str:
        """Copy one of the flows to the machine; return its name there."""
        shutil.copyfile(FLOWS / f"{name}.py", self.place.root / f"{name}.py")
        return f"{name}.py"

    def status(self, run: int) -> str:
        """Return what the machine says of a run's state; empty: it knows of none."""
        rows = json.loads(self.ok("runs", "--json"))
        return next((str(row["status"]) for row in rows if row["run"] == run), "")

    def artifact(self, pathspec: str, name: str) -> Any:  # Any: the user's object, as JSON
        """Return the value of an artifact, read by the client."""
        code = (
            "import json; from asyncflow import Task, namespace; namespace(None)\n"
            f"print(json.dumps(Task({pathspec!r})[{name!r}].data))"
        )
        return json.loads(self.python(code))

    def errors(self, run: int, task: int) -> list[str]:
        """Return how the attempts of a task ended, as they are recorded."""
        code = (
            "import json; from asyncflow.client.reading import open_log\n"
            "from asyncflow.store.home import find_home\n"
            "with open_log(find_home()) as log:\n"
            f"    print(json.dumps([repr(one) for one in log.attempts({run}, {task})]))"
        )
        return list(json.loads(self.python(code)))

    def digests(self, run: int) -> dict[str, list[str]]:
        """Return the digests of all artifacts of a run by `step/name`, sorted: tasks have numbers as they come."""
        code = (
            "import json; from asyncflow.client.reading import open_log\n"
            "from asyncflow.store.home import find_home\n"
            "with open_log(find_home()) as log:\n"
            f"    print(json.dumps([(f'{{t.step}}/{{a.name}}', a.digest) for t in log.tasks({run})"
            f" for a in log.artifacts({run}, t.task)]))"
        )
        found: dict[str, list[str]] = {}
        for name, digest in sorted(json.loads(self.python(code))):
            found.setdefault(name, []).append(digest)
        return found


@dataclass(frozen=True, slots=True)
class Cluster:
    """Some machines, the store that they share, and the platform that they share."""

    root: Path
    store: str
    endpoint: str

    @property
    def mark(self) -> str:
        """What the environment of every process here carries."""
        return str(self.root)

    @property
    def jobs(self) -> Path:
        """Where the platform of processes keeps its jobs."""
        return self.root / "platform"

    def machine(self, name: str, **extra: str) -> Machine:
        """Return a machine; one that is new has nothing on it."""
        root = self.root / name
        root.mkdir(exist_ok=True)
        fixed = {
            **moto.KEYS,
            "HOME": str(root),
            "PYTHONPATH": str(Path(__file__).parents[3]),
            "ASYNCFLOW_S3_ENDPOINT_URL": self.endpoint,
            "ASYNCFLOW_CACHE_DIR": str(root / "cache"),
            "XDG_CACHE_HOME": PACKAGES,
            "ASYNCFLOW_PROCESS_PLATFORM": str(self.jobs),
            "ASYNCFLOW_PROCESS_EXPORT": "AWS_ACCESS_KEY_ID,AWS_SECRET_ACCESS_KEY,HOME,JOURNAL,CHAOS_MARK",
            "JOURNAL": str(self.root / "journal"),
            MARK_VARIABLE: self.mark,
        }
        if self.store:
            fixed["ASYNCFLOW_STORE"] = self.store
        return Machine(Place(root, {**fixed, **extra}))

    def journal(self) -> list[str]:
        """Return the lines that steps have written to say that they run."""
        path = self.root / "journal"
        return path.read_text().split("\n")[:-1] if path.exists() else []

    def open(self, gate: str) -> None:
        """Let the steps go on that wait at a gate."""
        (self.root / f"journal.{gate}").touch()

    def wait_journal(self, line: str, count: int = 1) -> None:
        """Wait until steps have written a line so often."""
        until(lambda: self.journal().count(line) >= count, f"{count} times {line!r} in the journal")

    def objects(self, pattern: str = "") -> list[str]:
        """Return the keys of the bucket that match, below the store's prefix."""
        bucket, _, prefix = self.store.removeprefix("s3://").partition("/")
        pages = moto.client(self.endpoint).get_paginator("list_objects_v2").paginate(Bucket=bucket)
        keys = [item["Key"] for page in pages for item in page.get("Contents", ())]
        below = [key.removeprefix(f"{prefix}/") for key in keys]
        return [key for key in below if re.search(pattern, key)]

    def job_directories(self) -> list[Path]:
        """Return the jobs that the platform of processes has ever been asked for."""
        return sorted(path.parent for path in self.jobs.glob("*/*/*/job.json"))

    def let_lease_age(self, run: int) -> None:
        """Let the bucket say what half a minute of silence comes to: that nobody drives the run."""
        bucket, _, prefix = self.store.removeprefix("s3://").partition("/")
        client = moto.client(self.endpoint)
        for key in self.objects(f"^runs/{run}/lease/|^heads/"):
            said = json.loads(client.get_object(Bucket=bucket, Key=f"{prefix}/{key}")["Body"].read())
            said |= {"lease": None} if "row" in said else {"is_released": True}
            client.put_object(Bucket=bucket, Key=f"{prefix}/{key}", Body=json.dumps(said).encode())

    def claims(self) -> int:
        """Count the attempts that workers have taken."""
        if self.store:
            return len(self.objects("/claims/"))
        return len(list(self.root.glob("*/.asyncflow/shared/runs/*/claims/*")))

    def clear_away(self) -> None:
        """Kill what a test that has failed has left."""
        kill_marked(self.mark)

    def living_jobs(self) -> list[Path]:
        """Return the jobs that have not ended."""
        return [path for path in self.job_directories() if not (path / "end.json").exists()]


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a command at once, and collect it."""
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()

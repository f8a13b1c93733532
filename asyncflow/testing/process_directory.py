"""A job of `process_platform` as it lies on the disk: what was asked, who runs it, how it ended."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asyncflow.backends.remote.platform import End, EndReason, Job, JobRef, JobSeen, Phase
from asyncflow.errors import PlatformError
from asyncflow.machine.ids import Attempt
from asyncflow.testing import process_job

__all__ = ["EXPORT_VARIABLE", "JobDirectory"]

EXPORT_VARIABLE = "ASYNCFLOW_PROCESS_EXPORT"
"""Names variables that jobs see, with commas between them: credentials, which on a cluster its nodes have."""

_LONGEST_MESSAGE = 400
_LOOK_S = 0.02


class JobDirectory:
    """One job. Every method blocks for as long as the file system does.

    Args:
        path: `.../RUN/TASK.ATTEMPT`; need not exist.
        attempt: Whose job it is.
    """

    def __init__(self, path: Path, attempt: Attempt) -> None:
        self.path = path
        self.attempt = attempt
        self._end: End | None = None
        self._child: subprocess.Popen[bytes] | None = None
        """Starts the process beside the job, and ends when that has taken it."""

    @classmethod
    def at(cls, path: Path) -> JobDirectory | None:
        """Return the job of a directory, if there is one."""
        task, _, number = path.name.partition(".")
        if not (task.isdigit() and number.isdigit()):
            return None
        place = cls(path, Attempt(int(task), int(number)))
        return place if place.is_taken else None

    @property
    def is_taken(self) -> bool:
        """Whether a process has taken the job."""
        return (self.path / "claim").exists()

    def start(self, job: Job, environment: Mapping[str, str], grace_s: float) -> None:
        """Start a process beside the job, unless there has been one; `wait_begun` waits for it."""
        if self.is_taken:
            return
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        asked = {
            "command": list(job.command),
            "environment": {**_exported(), **environment},
            "timeout_s": None
            if job.timeout_s is None
            else job.timeout_s + grace_s,  # the worker heeds it first
            "grace_s": grace_s,
        }
        process_job.write(str(self.path / "job.json"), json.dumps(asked))
        self._child = subprocess.Popen(
            [sys.executable, "-I", "-S", process_job.__file__, str(self.path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def wait_begun(self) -> None:
        """Wait until the process that was started has taken the job. Raises PlatformError if it has not."""
        if self._child is not None:
            code = self._child.wait()
            self._child = None
            if not self.is_taken:
                raise PlatformError(
                    f"No process could be started for the job in {self.path} (exit code {code})"
                )

    def seen(self) -> JobSeen:
        """Return what is to be told of the job now."""
        end = self.end()
        pid, _ = self._keeper()
        is_running = end is None and (self.path / "group").exists()
        phase = Phase.ENDED if end else Phase.RUNNING if is_running else Phase.PENDING
        metadata = {"process-pid": str(pid)} if pid else {}
        return JobSeen(
            attempt=self.attempt, phase=phase, where=f"pid {pid}" if pid else "", end=end, metadata=metadata
        )

    def end(self) -> End | None:
        """Return how the job ended; None while it has not."""
        if self._end is None:
            is_alive = self._is_alive()  # asked first: an end that is written afterwards is not missed
            if (path := self.path / "end.json").exists():
                self._end = self._read_end(json.loads(path.read_text()))
            elif not is_alive:
                self._end = End(EndReason.LOST, "its process is gone and nobody wrote down how it ended")
        return self._end

    def stop(self, *, force: bool) -> None:
        """Ask or force the job to end."""
        if self.end() is None:
            process_job.write(str(self.path / "stop"), "force" if force else "ask")
            pid, birth = self._keeper()
            if pid and process_job.birth_of(pid) == birth:
                _signal(pid, process_job.STOP_SIGNAL)

    def destroy(self) -> None:
        """Kill the job and the process beside it, which then writes nothing."""
        pid, birth = self._keeper()
        if pid and process_job.birth_of(pid) == birth:
            _signal(pid, signal.SIGKILL)
        if (path := self.path / "group").exists():
            try:
                os.killpg(int(path.read_text()), signal.SIGKILL)
            except ProcessLookupError:
                pass  # it has ended

    def remove(self, *, within_s: float) -> None:
        """End the job and remove what is known of it."""
        self.stop(force=True)
        until = time.monotonic() + within_s
        while self.end() is None and time.monotonic() < until:
            time.sleep(_LOOK_S)
        shutil.rmtree(self.path, ignore_errors=True)

    def ref(self) -> JobRef:
        """Return what a list of jobs says of it."""
        run = self.path.parent.name
        created_at = (self.path / "job.json").stat().st_mtime
        return JobRef(
            f"{run}/{self.path.name}", int(run), self.attempt, created_at, is_over=self.end() is not None
        )

    def _keeper(self) -> tuple[int, str]:
        """Return pid and birth of the process beside the job; 0 if it has not begun."""
        try:
            pid, _, birth = (self.path / "claim").read_text().partition(" ")
        except FileNotFoundError:
            return 0, ""
        return int(pid), birth

    def _is_alive(self) -> bool:
        """Whether the process beside the job lives, or is about to."""
        pid, birth = self._keeper()
        return bool(pid) and _signal(pid, 0) and process_job.birth_of(pid) == birth

    def _read_end(self, told: dict[str, Any]) -> End:  # Any: as written by `process_job`
        code = int(told["exit_code"])
        if told["reason"]:
            reason = EndReason(told["reason"])
        else:
            reason = EndReason.FAILED if code else EndReason.SUCCEEDED
        message = told["message"] or (self._last_line() if code else "")
        return End(reason, message, code)

    def _last_line(self) -> str:
        try:
            with (self.path / "output").open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - _LONGEST_MESSAGE))
                lines = file.read().decode(errors="replace").strip().splitlines()
        except FileNotFoundError:
            return ""
        return lines[-1] if lines else ""


def _exported() -> dict[str, str]:
    """Return what jobs see of this process's environment: what a node's own would be."""
    names = ["PATH", *os.environ.get(EXPORT_VARIABLE, "").split(",")]
    return {"PATH": os.defpath} | {name: os.environ[name] for name in names if name in os.environ}


def _signal(pid: int, which: int) -> bool:
    """Signal a process; tell whether it was there."""
    try:
        os.kill(pid, which)
    except ProcessLookupError:
        return False
    return True

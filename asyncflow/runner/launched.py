"""A command of ours in a process of its own: what it prints goes to files, so it never waits for us."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from asyncflow.errors import AsyncflowError

__all__ = ["POLL_S", "Launched", "RunnerError"]

POLL_S = 0.02
"""How often files and processes are looked at, seconds."""
_GRACE_S = 15.0
"""A scheduler gives its tasks ten seconds; after this it is killed, and they with it."""
_STREAMS = ("stdout", "stderr")


class RunnerError(AsyncflowError, RuntimeError):
    """A command ended before there was a run."""

    headline = "The run could not be started"


class Launched:
    """A process, the files it prints to, and the file in which it says which run it is.

    Args:
        command: Arguments behind `python -m asyncflow`.
        env: Environment variables beside our own.
        cwd: Working directory. None: ours.
        id_file: In which file it says which run it is; one that is there is removed. None: one of our own.

    Raises:
        RunnerError: It could not be started.
    """

    def __init__(
        self, command: Sequence[str], *, env: Mapping[str, str], cwd: str | None, id_file: str | None = None
    ) -> None:
        self.directory = tempfile.mkdtemp(prefix="asyncflow-runner-")
        self.command = [sys.executable, "-P", "-m", "asyncflow", *command]
        self.env = {**os.environ, **env}
        self.cwd = cwd
        self._id_file = f"{self.directory}/run-id"
        if id_file is not None:
            self._id_file = os.path.abspath(os.path.join(cwd or "", id_file))
            with suppress(FileNotFoundError):
                os.unlink(self._id_file)
        self._shown: dict[str, int] = dict.fromkeys(_STREAMS, 0)
        out, err = (open(self.path_of(stream), "wb") for stream in _STREAMS)  # noqa: SIM115 - closed below
        try:
            self.process = subprocess.Popen(
                [*self.command, "--run-id-file", self._id_file],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={**self.env, "PYTHONUNBUFFERED": "1"},
                cwd=cwd,
            )
        except OSError as error:
            shutil.rmtree(self.directory, ignore_errors=True)
            raise RunnerError(f"{error.strerror}: {error.filename}", hint="Is `cwd` a directory?") from error
        finally:
            out.close()
            err.close()

    @property
    def returncode(self) -> int | None:
        """How the process ended; None while it runs."""
        return self.process.poll()

    def path_of(self, stream: str) -> str:
        """Return the file that has what it printed to a stream."""
        return f"{self.directory}/{stream}"

    def text_of(self, stream: str) -> str:
        """Return what it has printed to `stdout` or `stderr` so far."""
        try:
            with open(self.path_of(stream), encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def run_id(self) -> int | None:
        """Return the run it says it is; None as long as it has not said so.

        Raises:
            RunnerError: It ended without one; the message is what it printed to stderr.
        """
        is_over = self.returncode is not None
        try:
            with open(self._id_file, encoding="ascii") as file:
                text = file.read()
        except FileNotFoundError:
            text = ""
        if text:
            return int(text)
        if is_over:
            said = self.text_of("stderr").strip() or self.text_of("stdout").strip()
            raise RunnerError(said or f"the process ended with {self.returncode} and said nothing")
        return None

    def show(self) -> None:
        """Print what it has printed since this was last called."""
        for stream, to in (("stdout", sys.stdout), ("stderr", sys.stderr)):
            with open(self.path_of(stream), "rb") as file:
                file.seek(self._shown[stream])
                new = file.read()
            if self.returncode is None:
                new = new[: new.rfind(b"\n") + 1]  # a line that is being written waits
            if new:
                self._shown[stream] += len(new)
                to.write(new.decode("utf-8", "replace"))
                to.flush()

    def ask_to_end(self) -> None:
        """Ask the scheduler to stop its run in order: its tasks get their grace time."""
        if self.returncode is None:
            self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the process at once; its tasks die with it."""
        if self.returncode is None:
            self.process.kill()
            self.process.wait()

    def end(self) -> None:
        """End the process, in order if it can: it is asked, and killed when it takes too long. Blocking."""
        self.ask_to_end()
        until = time.monotonic() + _GRACE_S
        while self.returncode is None and time.monotonic() < until:
            time.sleep(POLL_S)
        self.kill()

    def clean_up(self) -> None:
        """End the process, and remove its files. Blocking. Safe to call twice."""
        self.end()
        shutil.rmtree(self.directory, ignore_errors=True)

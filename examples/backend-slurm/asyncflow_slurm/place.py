"""What jobs leave on the file system that they share with the scheduler: who runs an attempt, how it ended, its output.

    TASK.ATTEMPT.run/    made by the job that runs the attempt, so a second one for it sees that it is one too many
    TASK.ATTEMPT.run/id  the job's id
    TASK.ATTEMPT.end     exit code, and why if the script ended the command
    TASK.ATTEMPT.log     what it printed before it could send its log anywhere

All is written by the jobs (see `script`). Methods block as long as the file system does.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from asyncflow.backends.remote.platform import End, EndReason
from asyncflow.machine.ids import Attempt

__all__ = ["Place", "file_name"]

_LONGEST_MESSAGE = 400


def file_name(attempt: Attempt) -> str:
    """Return the stem of an attempt's files."""
    return f"{attempt.task}.{attempt.number}"


class Place:
    """One run's directory.

    Args:
        directory: `.../OWNER/RUN`; made when it is needed.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def make(self) -> None:
        """Make the directory, for its user only."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    def begun(self) -> dict[Attempt, str]:
        """Return the attempts that jobs have begun to run, with the jobs' ids."""
        try:
            names = os.listdir(self.directory)
        except FileNotFoundError:
            return {}
        found: dict[Attempt, str] = {}
        for name in names:
            task, _, rest = name.partition(".")
            number, _, kind = rest.partition(".")
            if kind == "run" and task.isdigit() and number.isdigit():
                attempt = Attempt(int(task), int(number))
                found[attempt] = self.holder(attempt)
        return found

    def holder(self, attempt: Attempt) -> str:
        """Return the id of the job that runs or ran an attempt; empty if none has begun to."""
        try:
            return (self.directory / f"{file_name(attempt)}.run" / "id").read_text().strip()
        except (FileNotFoundError, NotADirectoryError):
            return ""

    def end(self, attempt: Attempt) -> End | None:
        """Return how an attempt's job ended, if it could say so."""
        try:
            code, _, why = (self.directory / f"{file_name(attempt)}.end").read_text().strip().partition(" ")
        except FileNotFoundError:
            return None
        exit_code = int(code)
        if why:
            return End(EndReason(why), "", exit_code)
        if exit_code == 0:
            return End(EndReason.SUCCEEDED, "", 0)
        return End(EndReason.FAILED, self.last_line(attempt), exit_code)

    def last_line(self, attempt: Attempt) -> str:
        """Return the last line that an attempt's job printed; empty if there is none."""
        try:
            with (self.directory / f"{file_name(attempt)}.log").open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - _LONGEST_MESSAGE))
                lines = file.read().decode(errors="replace").strip().splitlines()
        except FileNotFoundError:
            return ""
        return lines[-1] if lines else ""

    def remove(self, attempt: Attempt) -> None:
        """Remove what is left of an attempt."""
        stem = self.directory / file_name(attempt)
        shutil.rmtree(f"{stem}.run", ignore_errors=True)
        for kind in ("end", "log"):
            Path(f"{stem}.{kind}").unlink(missing_ok=True)

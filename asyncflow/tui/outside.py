"""What the dashboard leaves to other programs: the pager, and the plan of a resume."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

from asyncflow.store.home import HOME_VARIABLE
from asyncflow.store.logfile import STDERR, read_log
from asyncflow.text import moment_text, visible_bytes

__all__ = ["command_line", "dry_run", "page_file"]

_LONGEST_PLAN_S = 60


def command_line(*args: str) -> list[str]:
    """Return what executes `asyncflow ARGS` with this interpreter."""
    return [sys.executable, "-P", "-m", "asyncflow", *args]


def dry_run(home: str, run: int, step: str | None) -> tuple[int, str]:
    """Return the exit code and text of `asyncflow resume RUN --dry-run`. Blocking: it imports the flow."""
    args = command_line("resume", str(run), *([step] if step else []), "--dry-run")
    environment = {**os.environ, HOME_VARIABLE: home, "COLUMNS": "100"}
    try:
        done = subprocess.run(
            args,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_LONGEST_PLAN_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return (
            1,
            f"The plan was not there after {_LONGEST_PLAN_S} s: does the flow's file do much when it is imported?",
        )
    return done.returncode, done.stdout.decode("utf-8", "replace")


def page_file(path: str) -> str:
    """Show a log in $PAGER, as harmless text; return what went wrong, or nothing. Blocking."""
    command = shlex.split(os.environ.get("PAGER") or "less -S")
    try:
        pager = subprocess.Popen(command, stdin=subprocess.PIPE)
    except OSError as error:
        return f"{command[0]}: {error.strerror}"
    assert pager.stdin is not None, "it was asked for"
    try:
        for line in read_log(path):
            stream = b"e " if line.stream == STDERR else b"  "
            pager.stdin.write(
                moment_text(line.at)[11:].encode() + b" " + stream + visible_bytes(line.text) + b"\n"
            )
        pager.stdin.close()
    except BrokenPipeError:
        pass  # who reads has seen enough
    pager.wait()
    return ""

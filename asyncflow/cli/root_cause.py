"""The last lines on the screen after a failed run: what failed, why, what it printed last, and what to type next."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from asyncflow.cli import terminal
from asyncflow.cli.terminal import Span, Style

if TYPE_CHECKING:
    from asyncflow.events.rows import RunRow, TaskRow

__all__ = ["tell_root_cause"]

_LOG_LINES = 10
_LONGEST_LINE = 400
_TRACEBACK_LINES = 40


def tell_root_cause(home: str, run: int) -> None:
    """Say on stderr why a run failed.

    Raises:
        StoreError: The store cannot be read.
    """
    from asyncflow.client.logs import last_lines
    from asyncflow.events.reader import Reader
    from asyncflow.store.layout import DATABASE

    with Reader(os.path.join(home, DATABASE)) as reader:
        row = reader.run(run)
        task = None if row is None or row.failed_task is None else reader.task(run, row.failed_task)
    terminal.err(Span("Step failure:", Style.BOLD_RED))
    if row is None or task is None:
        terminal.err(f"    Run {run} failed.")
    else:
        printed = last_lines(home, task.key, _LOG_LINES + _TRACEBACK_LINES)
        _tell_task(row, task, [line.decode("utf-8", "backslashreplace") for line in printed])
    terminal.err("When it is corrected, go on; what went well is not run again:")
    terminal.err("    ", Span(f"asyncflow resume {run}", Style.BOLD))


def _tell_task(row: RunRow, task: TaskRow, printed: Sequence[str]) -> None:
    path = f"{task.run}/{task.step}/{task.task}"
    tries = f" after {task.attempt + 1} attempts" if task.attempt > 0 else ""
    terminal.err(f"    Step {task.step} (task-id {task.task}) failed{tries}.")
    traceback = (task.error_traceback or "").rstrip().splitlines()
    terminal.err()
    for line in _shortened(traceback) if traceback else _said(task):
        terminal.err(f"    {line}".rstrip())
    before = _before(printed, traceback)[-_LOG_LINES:]
    if before:
        terminal.err()
        terminal.err(f"    It printed before that (all of it: asyncflow logs {path}):")
        for line in before:
            terminal.err("        ", terminal.one_line(line, _LONGEST_LINE))
    if row.failed > 1:
        terminal.err()
        terminal.err(f"    {row.failed - 1} more failed, too: asyncflow logs {row.run}")
    terminal.err()


def _said(task: TaskRow) -> list[str]:
    lines = (task.error_message or "nobody knows why").splitlines()
    kind = task.error_type or ""
    return lines if kind.startswith("asyncflow.") or not kind else [f"{kind}: {lines[0]}", *lines[1:]]


def _shortened(traceback: Sequence[str]) -> list[str]:
    if len(traceback) <= _TRACEBACK_LINES:
        return list(traceback)
    half = _TRACEBACK_LINES // 2
    left_out = f"  ... {len(traceback) - 2 * half} lines left out ..."
    return [*traceback[:half], left_out, *traceback[-half:]]


def _before(printed: Sequence[str], traceback: Sequence[str]) -> list[str]:
    """Return what was printed before the traceback, which is shown anyway."""
    lines = list(printed)
    for line in reversed(traceback):
        if lines and lines[-1].rstrip() == line.rstrip():
            lines.pop()
        else:
            break
    return lines

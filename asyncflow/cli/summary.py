"""What stays on the screen after a dashboard: how the run ended, what took long, what it came to, what to type next."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from asyncflow.cli import terminal
from asyncflow.cli.terminal import Span, Style
from asyncflow.cli.words import duration_text, status_span

if TYPE_CHECKING:
    from asyncflow.events.browser import Overview, StepTotals
    from asyncflow.machine.ids import ManifestKey

__all__ = ["tell_summary"]

_SLOWEST = 3
_LINES = 10
_WORDS = {"cancelled": "was cancelled", "running": "goes on", "interrupted": "is interrupted"}
_COUNTS = ("succeeded", "caught", "failed", "cancelled", "cloned", "running", "created", "waiting")
_SHOWN = {"cloned": "reused", "created": "queued", "waiting": "retrying"}


def tell_summary(home: str, run: int) -> None:
    """Say on stderr how a run ended.

    Raises:
        StoreError: The store cannot be read.
    """
    from asyncflow.cli.launch import tell_cancelled
    from asyncflow.cli.root_cause import tell_root_cause
    from asyncflow.events.browser import Browser, TaskQuery
    from asyncflow.store.layout import DATABASE

    with Browser(os.path.join(home, DATABASE)) as browser:
        overview = browser.overview(run)
        if overview is None:
            return
        last = overview.steps[-1].step if overview.steps else None
        ends = browser.page_of_tasks(TaskQuery(run=run, step=last, sort="task"), offset=0, limit=1)
    _tell_head(overview)
    if overview.row.status == "succeeded" and ends:
        _tell_result(home, ends[0].step, ends[0].key)
    elif overview.row.status == "failed":
        tell_root_cause(home, run)
    elif overview.row.status == "cancelled":
        tell_cancelled(run)
    elif overview.row.status == "interrupted":
        terminal.err(f"    Go on with it: asyncflow resume {run}")
    terminal.err("    ", Span(f"Look at it: asyncflow tui {run}", Style.DIM))


def _tell_head(overview: Overview) -> None:
    row = overview.row
    status = status_span(row.status)
    took = f" after {duration_text(row.ended_at - row.created_at)}" if row.ended_at is not None else ""
    terminal.err(
        Span(f"{row.flow} run {row.run} ", Style.BOLD),
        Span(_WORDS.get(row.status, row.status), status.style),
        took,
    )
    counts = [f"{getattr(row, name):,} {_SHOWN.get(name, name)}" for name in _COUNTS if getattr(row, name)]
    terminal.err(f"    {row.tasks:,} task{'s' if row.tasks != 1 else ''}: {', '.join(counts)}")
    timed = sorted(((_took(step), step) for step in overview.steps), key=lambda pair: -pair[0])
    slowest = [f"{step.step} {duration_text(took)}" for took, step in timed[:_SLOWEST] if took >= 0.05]
    if slowest:
        terminal.err(f"    Slowest: {', '.join(slowest)}")


def _took(step: StepTotals) -> float:
    if step.launched_at is None or step.ended_at is None:
        return 0.0
    return step.ended_at - step.launched_at


def _tell_result(home: str, step: str, key: ManifestKey) -> None:
    from asyncflow.client.logs import last_lines

    printed = last_lines(home, key, _LINES)
    if printed:
        terminal.err(f"    {step} printed:")
        for line in printed:
            terminal.err("        ", terminal.one_line(line.decode("utf-8", "backslashreplace"), 400))

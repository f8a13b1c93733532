"""A run's tasks over time (Gantt): one line a task, in order of launch; a wide run shows one line a step."""

from __future__ import annotations

from collections.abc import Sequence

from asyncflow.events.rows import TaskRow
from asyncflow.look import Span, glyphs
from asyncflow.text import duration_text
from asyncflow.tui.listing import Cell, Column
from asyncflow.tui.model import RunModel, StepModel

__all__ = ["MOST_TASKS", "TimelineRows"]

MOST_TASKS = 300
"""More are folded into their steps."""
_ROLES = {
    "failed": "bad",
    "running": "running",
    "cancelled": "stopped",
    "caught": "waiting",
    "cloned": "cached",
}


class TimelineRows:
    """Bars over the run's time."""

    def __init__(self) -> None:
        self._glyphs = glyphs()
        self.columns: Sequence[Column] = ()
        self._lines: list[tuple[str, str, float, float]] = []
        self._begin, self._end, self._now = 0.0, 1.0, 0.0
        self._width = 40
        self.names: list[tuple[str, int | None]] = []
        """Step, and task if the line is one task's, by line."""

    def __len__(self) -> int:
        return len(self._lines)

    def update(self, model: RunModel, tasks: Sequence[TaskRow], now: float, width: int) -> None:
        """Take over what is known; `tasks` is empty when there are too many."""
        self._begin, self._now = model.created_at, now
        self._end = max(self._begin + 0.001, self._begin + model.took(now))
        self._width = max(20, width - 44)
        took = duration_text(self._end - self._begin)
        scale = f"0s{took:>{max(1, self._width - 2)}}"
        self.columns = (
            Column(title="WHAT", width=28, keeps_end=False),
            Column(title="TOOK", width=7, is_right=True),
            Column(title=scale, width=self._width),
        )
        self._lines, self.names = [], []
        if tasks:
            for task in sorted(tasks, key=lambda task: (task.launched_at or task.created_at, task.task)):
                begin = task.launched_at or task.created_at
                self._add(
                    (task.step, task.task), f"{task.step}/{task.task}", task.status, begin, task.ended_at
                )
            return
        for step in model.steps.values():
            if step.launched_at is not None:
                name = f"{step.name} {self._glyphs.times}{step.tasks:,}"
                self._add((step.name, None), name, step.status, step.launched_at, _end_of(step))

    def _add(
        self,
        key: tuple[str, int | None],
        name: str,
        status: str,
        begin: float,
        end: float | None,
    ) -> None:
        self.names.append(key)
        until = end if end is not None else self._now if status == "running" else begin
        self._lines.append((name, status, begin, until))

    def cells(self, index: int) -> Sequence[Cell] | None:
        name, status, begin, end = self._lines[index]
        scale = self._width / (self._end - self._begin)
        left = max(0, min(self._width - 1, int((begin - self._begin) * scale)))
        length = max(1, min(self._width - left, round((end - begin) * scale)))
        role = _ROLES.get(status, "good")
        mark = self._glyphs.statuses.get(status, "?")
        return (
            (Span(f"{mark} ", role), Span(name, "bold")),
            (Span(duration_text(max(0.0, end - begin)), "text"),),
            (Span(self._glyphs.dot * left, "faint"), Span(self._glyphs.full * length, role)),
        )


def _end_of(step: StepModel) -> float | None:
    return None if step.counts["running"] else step.ended_at

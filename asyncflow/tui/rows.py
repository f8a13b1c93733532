"""What the listings show: steps, tasks, runs and events as rows of cells."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence

from asyncflow.events.codec import to_plain
from asyncflow.events.reader import Numbered
from asyncflow.events.rows import RunRow, TaskRow
from asyncflow.look import Glyphs, Span, bar, glyphs, sparkline, status_spans
from asyncflow.text import duration_text, moment_text
from asyncflow.tui.listing import Cell, Column
from asyncflow.tui.model import RunModel, StepModel
from asyncflow.tui.pages import Pages

__all__ = ["EventRows", "RunRows", "StepRows", "TaskRows", "counts_bar", "error_line", "task_place"]


def counts_bar(step: StepModel, total: int, width: int, drawn: Glyphs) -> Cell:
    """Return a step's progress as a bar: what failed comes first, so that it is seen."""
    counts = step.counts
    parts = [
        (counts["failed"], "bad"),
        (counts["succeeded"], "good"),
        (counts["cloned"], "cached"),
        (counts["caught"] + counts["waiting"], "waiting"),
        (counts["cancelled"], "stopped"),
        (counts["running"], "running"),
    ]
    return bar(parts, total, width, drawn)


def task_place(step: str, path: str, iteration: int) -> str:
    """Return where a task stands among its step's: `[3,0]`, `round 2`, or nothing."""
    words = [f"[{path}]"] if path else []
    if iteration:
        words.append(f"round {iteration}")
    return " ".join(words)


def error_line(kind: str | None, message: str | None) -> str:
    """Return an error in one line, as Python's tracebacks end: `ValueError: bad luck`."""
    parts = ((kind or "").removeprefix("builtins."), (message or "").partition("\n")[0])
    return ": ".join(part for part in parts if part)


class StepRows:
    """One row per step, in graph order; those that failed come first while the run lives."""

    columns: Sequence[Column] = (
        Column(title="STEP", width=14, stretch=3),
        Column(title="STATUS", width=11),
        Column(title="SHAPE", width=13, stretch=1, from_width=92),
        Column(title="PROGRESS", width=16, from_width=64),
        Column(title="DONE", width=11, is_right=True),
        Column(title="RUN", width=4, is_right=True, from_width=76),
        Column(title="FAIL", width=4, is_right=True, from_width=76),
        Column(title="TOOK", width=7, is_right=True),
        Column(title="TREND", width=10, from_width=110),
    )

    def __init__(self) -> None:
        self._glyphs = glyphs()
        self._steps: list[StepModel] = []
        self._expected: dict[str, int] = {}
        self._model: RunModel | None = None
        self._now = 0.0

    def __len__(self) -> int:
        return len(self._steps)

    def update(self, model: RunModel, text: str, now: float) -> None:
        """Take over what the model says; only steps that have `text` in their name or status."""
        self._model, self._now = model, now
        self._expected = model.expected()
        steps = [step for step in model.steps.values() if text in step.name.lower() or text in step.status]
        self._steps = sorted(steps, key=lambda step: step.counts["failed"] == 0)

    def step(self, index: int) -> StepModel | None:
        """Return the step in a row."""
        return self._steps[index] if 0 <= index < len(self._steps) else None

    def index_of(self, name: str) -> int | None:
        """Return the row of a step."""
        return next((i for i, step in enumerate(self._steps) if step.name == name), None)

    def cells(self, index: int) -> Sequence[Cell] | None:
        step, model = self._steps[index], self._model
        if model is None:
            return None
        drawn, counts = self._glyphs, step.counts
        total = max(self._expected.get(step.name, 0), step.tasks)
        took = step.took(self._now)
        is_idle = step.status == "idle" and not total
        running, failed = counts["running"], counts["failed"]
        shape = model.shape_of(step.name).replace("×", drawn.times)
        return (
            (Span(step.name, "dim" if is_idle else "bold"),),
            status_spans("idle" if is_idle else "created" if step.status == "idle" else step.status, drawn),
            (Span(shape.replace("→", drawn.arrow_right), "dim"),),
            () if is_idle else counts_bar(step, total, 16, drawn),
            () if is_idle else (Span(f"{step.good:,}"), Span(f"/{total:,}", "dim")),
            (Span(f"{running:,}", "running"),) if running else (),
            (Span(f"{failed:,}", "strong-bad"),) if failed else (),
            (Span("" if took is None else duration_text(took), "text"),),
            (Span(sparkline(step.durations, 10, drawn), "running"),) if len(step.durations) > 1 else (),
        )


class TaskRows:
    """A run's tasks."""

    columns: Sequence[Column] = (
        Column(title="TASK", width=16, stretch=2),
        Column(title="STATUS", width=11),
        Column(title="TRY", width=3, is_right=True),
        Column(title="STARTED", width=8, from_width=70),
        Column(title="TOOK", width=7, is_right=True),
        Column(title="CPU", width=7, is_right=True, from_width=90),
        Column(title="MEMORY", width=8, is_right=True, from_width=100),
        Column(title="WHY", width=8, stretch=4, from_width=60),
    )

    def __init__(self, want: Callable[[int], None]) -> None:
        self._glyphs = glyphs()
        self.pages: Pages[TaskRow] = Pages(want)

    def __len__(self) -> int:
        return len(self.pages)

    def cells(self, index: int) -> Sequence[Cell] | None:
        task = self.pages.get(index)
        if task is None:
            return None
        from asyncflow.text import bytes_text

        began = task.started_at or task.launched_at
        end = (
            task.ended_at if task.ended_at is not None else time.time() if task.status == "running" else None
        )
        took = duration_text(end - began) if began is not None and end is not None else ""
        place = task_place(task.step, task.path, task.iteration)
        why = error_line(task.error_type, task.error_message)
        if not why and task.chosen:
            why = f"took {task.chosen}"
        if not why and task.width is not None:
            why = f"{task.width:,} branches"
        return (
            (Span(f"{task.step}/{task.task}", "bold"), Span(f" {place}" if place else "", "dim")),
            status_spans(task.status, self._glyphs),
            (Span(str(task.attempt + 1), "dim" if task.attempt < 1 else "waiting"),)
            if task.attempt >= 0
            else (),
            (Span(time.strftime("%H:%M:%S", time.localtime(began)), "dim"),) if began else (),
            (Span(took),),
            (Span(duration_text(task.cpu_s), "dim"),) if task.cpu_s is not None else (),
            (Span(bytes_text(task.max_rss_bytes), "dim"),) if task.max_rss_bytes else (),
            (Span(why, "bad" if task.status == "failed" else "dim"),),
        )


class RunRows:
    """Runs, newest first."""

    columns: Sequence[Column] = (
        Column(title="RUN", width=6, is_right=True),
        Column(title="FLOW", width=14, stretch=3),
        Column(title="STATUS", width=13),
        Column(title="STARTED", width=19, from_width=74),
        Column(title="TOOK", width=7, is_right=True),
        Column(title="PROGRESS", width=10, from_width=100),
        Column(title="TASKS", width=13, is_right=True),
        Column(title="USER", width=8, stretch=1, from_width=112),
        Column(title="TAGS", width=10, stretch=2, from_width=126),
    )

    def __init__(self) -> None:
        self._glyphs = glyphs()
        self.rows: list[RunRow] = []
        self.tags: dict[int, list[str]] = {}
        self.marked: int | None = None
        self.on_tail: Callable[[], None] = lambda: None
        """Called when a row near the end is drawn, so that more can be fetched."""

    def __len__(self) -> int:
        return len(self.rows)

    def cells(self, index: int) -> Sequence[Cell] | None:
        row = self.rows[index]
        if index >= len(self.rows) - 50:
            self.on_tail()
        drawn = self._glyphs
        done = row.succeeded + row.caught + row.cloned
        total = row.tasks + row.branches_left
        end = row.ended_at if row.ended_at is not None else time.time()
        took = "" if row.status == "interrupted" else duration_text(end - row.created_at)
        parts = [(row.failed, "bad"), (done, "good"), (row.cancelled, "stopped"), (row.running, "running")]
        is_marked = row.run == self.marked
        return (
            (Span(f"*{row.run}" if is_marked else str(row.run), "waiting" if is_marked else "accent"),),
            (Span(row.flow, "bold"),),
            status_spans(row.status, drawn),
            (Span(moment_text(row.created_at), "dim"),),
            (Span(took),),
            bar(parts, total, 10, drawn),
            (Span(f"{done:,}"), Span(f"/{total:,}", "dim")),
            (Span(row.user, "dim"),),
            (Span(" ".join(self.tags.get(row.run, ())), "cached"),),
        )


class EventRows:
    """A run's events, raw."""

    columns: Sequence[Column] = (
        Column(title="NO", width=7, is_right=True),
        Column(title="TIME", width=12),
        Column(title="EVENT", width=17),
        Column(title="TASK", width=6, is_right=True),
        Column(title="WHAT", width=10, stretch=1),
    )

    def __init__(self, want: Callable[[int], None]) -> None:
        self.pages: Pages[Numbered] = Pages(want)

    def __len__(self) -> int:
        return len(self.pages)

    def plain(self, index: int) -> str:
        """Return an event as a line of JSON."""
        found = self.pages.get(index)
        return "" if found is None else json.dumps(to_plain(found[1]), default=str)

    def cells(self, index: int) -> Sequence[Cell] | None:
        found = self.pages.get(index)
        if found is None:
            return None
        number, event = found
        plain = to_plain(event)
        kind = str(plain.pop("event"))
        at = float(plain.pop("at", 0.0) or 0.0)
        task = plain.pop("task", None)
        plain.pop("cause", None)
        shown = " ".join(
            f"{name}={_short(value)}" for name, value in plain.items() if value not in (None, "", [], {})
        )
        clock = f"{time.strftime('%H:%M:%S', time.localtime(at))}.{int(at * 1000) % 1000:03d}"
        return (
            (Span(str(number), "dim"),),
            (Span(clock, "dim"),),
            (Span(kind, _event_role(kind)),),
            (Span("" if task is None else str(task), "accent"),),
            (Span(shown, "text"),),
        )


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 200 else f"{text[:200]}..."


def _event_role(kind: str) -> str:
    if "Failed" in kind or "Lost" in kind or "TimedOut" in kind:
        return "bad"
    if "Retry" in kind or "Stop" in kind or "Cancelled" in kind or "Ignored" in kind:
        return "waiting"
    if "Succeeded" in kind or "Finished" in kind:
        return "good"
    return "text"

"""The three lines above a run: what it is, how far it is, how it goes."""

from __future__ import annotations

from asyncflow.look import Glyphs, Span, bar, status_spans
from asyncflow.text import bytes_text, duration_text
from asyncflow.tui.bars import Lines
from asyncflow.tui.model import RunModel
from asyncflow.tui.usage import Usage

__all__ = ["RunHead"]

_COUNTS = (
    ("done", ("succeeded", "caught"), "good", "succeeded"),
    ("running", ("running",), "running", "running"),
    ("queued", ("created",), "queued", "created"),
    ("retrying", ("waiting",), "waiting", "waiting"),
    ("failed", ("failed",), "strong-bad", "failed"),
    ("cached", ("cloned",), "cached", "cloned"),
    ("cancelled", ("cancelled",), "stopped", "cancelled"),
)
_STRONG = {"running": "strong-running", "succeeded": "strong-good", "failed": "strong-bad"}


class RunHead(Lines):
    """Shows a run's model."""

    def __init__(self) -> None:
        super().__init__(3, id="head")
        self.usage: Usage | None = None

    def show(self, model: RunModel, now: float, beat: int) -> None:
        """Show the run as it stands; `beat` turns the spinner."""
        drawn = self.painter.glyphs
        self.update(
            self._first(model, now, beat, drawn), self._second(model, drawn), self._third(model, drawn)
        )

    def _first(self, model: RunModel, now: float, beat: int, drawn: Glyphs) -> tuple[list[Span], list[Span]]:
        status = status_spans(model.status, drawn)[0]
        left = [
            Span(" "),
            Span(model.flow, "bold"),
            Span("  run ", "dim"),
            Span(str(model.run), "title"),
            Span("   "),
            Span(status.text, _STRONG.get(model.status, "strong-stopped")),
            Span("  "),
            Span(duration_text(model.took(now)), "text"),
        ]
        if model.status == "running":
            left.append(Span(f" {drawn.spinner[beat % len(drawn.spinner)]}", "running"))
            if model.stopping:
                why = "cancelled" if model.stopping == "cancel" else "a task failed"
                left.append(Span(f"  stopping: {why}", "strong-bad"))
        elif model.status == "interrupted":
            left.append(Span(f"  go on: asyncflow resume {model.run}", "stopped"))
        right = [Span(f"{model.user} {drawn.dot} {model.slots} workers", "dim")]
        if self.usage is not None:
            right.append(Span(f" {drawn.dot} cpu {self.usage.cpu_percent:.0f} %", "dim"))
            right.append(Span(f" {drawn.dot} {bytes_text(self.usage.memory_bytes)}", "dim"))
        room = self.size.width - sum(len(span.text) for span in left) - 2
        while right and sum(len(span.text) for span in right) > room:
            right.pop(0)
        return left, [*right, Span(" ")]

    def _second(self, model: RunModel, drawn: Glyphs) -> tuple[list[Span], list[Span]]:
        left: list[Span] = []
        is_wide = self.size.width >= 100
        for word, statuses, role, status in _COUNTS:
            count = model.count(*statuses)
            if not count and (word == "cancelled" or (not is_wide and word in ("cached", "retrying"))):
                continue
            shown = role if count else "dim"
            left += [Span(f" {drawn.statuses[status]} {count:,}", shown), Span(f" {word} ", "dim")]
        done, total = _progress(model)
        return left, [Span(f"{done:,}", "text"), Span(f" of {total:,} ", "dim")]

    def _third(self, model: RunModel, drawn: Glyphs) -> tuple[list[Span], list[Span]]:
        _, total = _progress(model)
        parts = [
            (model.count("failed"), "bad"),
            (model.count("succeeded", "caught"), "good"),
            (model.count("cloned"), "cached"),
            (model.count("cancelled"), "stopped"),
            (model.count("running"), "running"),
        ]
        return [Span(" "), *bar(parts, total, max(1, self.size.width - 2), drawn)], []


def _progress(model: RunModel) -> tuple[int, int]:
    """Return how many tasks have a result, and how many there are or will be, as far as is known."""
    done = model.count("succeeded", "caught", "cloned")
    expected = model.expected()
    if model.status == "succeeded":
        return done, model.tasks
    ahead = sum(max(1, count) if model.status == "running" else count for count in expected.values())
    return done, max(ahead, model.tasks)

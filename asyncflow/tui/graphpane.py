"""Shows a run's graph, every step with its status: what runs now stands out."""

from __future__ import annotations

import time
from typing import ClassVar

from textual.binding import BindingType
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from asyncflow.cards.terminal.graph import Label, draw_graph
from asyncflow.look import PALETTES, Span, status_spans
from asyncflow.text import duration_text
from asyncflow.tui.keys import bindings_of
from asyncflow.tui.listing import Painter
from asyncflow.tui.model import RunModel

__all__ = ["GraphPane"]


class GraphPane(ScrollView, can_focus=True):
    """The graph of a run."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_of("graph")

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.painter = Painter(next(iter(PALETTES.values())))
        self._lines: list[list[Span]] = []

    def on_mount(self) -> None:
        """Take the theme's colours, and every later one's."""
        self._repaint(self.app.theme)
        self.app.theme_changed_signal.subscribe(self, lambda theme: self._repaint(theme.name))

    def show(self, model: RunModel) -> None:
        """Draw the run as it stands."""
        if model.graph is None:
            return
        drawn = self.painter.glyphs
        expected = model.expected()
        now = time.time()
        critical = model.critical_path(now)
        labels: dict[str, Label] = {}
        for name, step in model.steps.items():
            status, role = status_spans(step.status, drawn)[0]
            total = max(expected[name], step.tasks)
            count = f" {step.good:,}/{total:,}" if total > 1 else ""
            took = step.took(now)
            title = f"{drawn.mark} {name}" if name in critical else name
            labels[name] = Label(
                f"{status}{count}" + (f" {duration_text(took)}" if took is not None else ""), role, title
            )
        self._lines = draw_graph(model.graph, labels, drawn, max(20, self.size.width - 2))
        if critical:
            told = f" {drawn.mark} the critical path: the longest way by time"
            self._lines = [*self._lines, [], [Span(told, "dim")]]
        widest = max((sum(len(span.text) for span in line) for line in self._lines), default=0)
        size = Size(widest + 1, len(self._lines))
        if size != self.virtual_size:
            self.virtual_size = size
        self.refresh()

    def render_line(self, y: int) -> Strip:
        x, top = self.scroll_offset
        index = top + y
        spans = self._lines[index] if index < len(self._lines) else []
        wide = max(self.size.width + x, self.virtual_size.width)
        return self.painter.line(spans, wide).crop(x, x + self.size.width)

    def _repaint(self, theme: str) -> None:
        self.painter = Painter.of_theme(theme)
        self.refresh()

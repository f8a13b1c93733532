"""The lines around the panes: the run's head, the views there are, a pane's title, the keys at the bottom."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from textual.events import Click
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from asyncflow.look import PALETTES, Span
from asyncflow.tui.listing import Painter

__all__ = ["Lines", "Tabs"]


class Lines(Widget):
    """Some lines of spans, each with a part on the left and one on the right."""

    def __init__(self, count: int = 1, *, ground: str = "base", id: str | None = None) -> None:
        super().__init__(id=id)
        self.painter = Painter(next(iter(PALETTES.values())))
        self.styles.height = count
        self._ground = ground
        self._lines: list[tuple[Sequence[Span], Sequence[Span]]] = []

    def on_mount(self) -> None:
        """Take the theme's colours, and every later one's."""
        self._repaint(self.app.theme)
        self.app.theme_changed_signal.subscribe(self, lambda theme: self._repaint(theme.name))

    def update(self, *lines: tuple[Sequence[Span], Sequence[Span]]) -> None:
        """Show these lines; nothing is drawn when they are what is shown already."""
        if list(lines) != self._lines:
            self._lines = list(lines)
            self.refresh()

    def render_line(self, y: int) -> Strip:
        left, right = self._lines[y] if y < len(self._lines) else ((), ())
        ground = self.painter.surface if self._ground == "surface" else self.painter.base
        width = self.size.width
        end = self.painter.line(right, sum(Segment(span.text).cell_length for span in right), ground)
        room = width - end.cell_length
        if room < 12:
            return self.painter.line(left, width, ground)
        return Strip.join([self.painter.line(left, room, ground), end])

    def _repaint(self, theme: str) -> None:
        self.painter = Painter.of_theme(theme)
        self.refresh()


class Tabs(Lines):
    """The views there are; one is on. Click on another to go there."""

    class Asked(Message):
        """Another view is wanted."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, names: Sequence[str], *, id: str | None = None) -> None:
        super().__init__(1, id=id)
        self._names = names

    def choose(self, chosen: str, note: Sequence[Span] = ()) -> None:
        """Show which view is on, and a note at the right."""
        spans = [Span(" ")]
        for number, name in enumerate(self._names, 1):
            spans.append(Span(f" {number} {name.capitalize()} ", "chip" if name == chosen else "dim"))
        self.update((spans, [*note, Span(" ")]))

    def on_click(self, event: Click) -> None:
        """Go to the view that was clicked."""
        at = 1
        for name in self._names:
            at += len(name) + 4
            if event.x < at:
                self.post_message(self.Asked(name))
                return

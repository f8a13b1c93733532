"""Rows of any number on the screen: only those in sight are asked for and drawn, and a keystroke redraws nothing else.

Cells are spans of text with a role. Every cell goes through `one_line` here, so text from tasks can do no harm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.binding import BindingType
from textual.events import Click, Resize
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from asyncflow.look import PALETTES, Glyphs, Palette, Span, glyphs
from asyncflow.text import one_line
from asyncflow.tui.keys import bindings_of

__all__ = ["Cell", "Column", "Listing", "Painter", "Rows"]

Cell = Sequence[Span]
"""What stands in one column of one row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column."""

    title: str
    width: int
    """Cells; for a column that stretches, at least."""
    stretch: int = 0
    """Share of the room that is left. 0: none."""
    is_right: bool = False
    from_width: int = 0
    """Only shown when the pane is at least so wide."""
    keeps_end: bool = False
    """Of a text that is too long the end is shown, not the beginning."""


class Rows(Protocol):
    """Where a listing gets its rows."""

    columns: Sequence[Column]

    def __len__(self) -> int: ...

    def cells(self, index: int) -> Sequence[Cell] | None:
        """Return a row; None while it is being fetched."""
        ...


class Painter:
    """Turns spans into strips in the colours of a theme."""

    def __init__(self, palette: Palette) -> None:
        self.palette = palette
        self.styles = palette.styles()
        self.glyphs: Glyphs = glyphs()
        self.base = Style(bgcolor=palette.background)
        self.cursor = Style(bgcolor=palette.cursor)
        self.trail = Style(bgcolor=palette.trail)
        self.surface = Style(bgcolor=palette.surface)

    @classmethod
    def of_theme(cls, name: str) -> Painter:
        """Return the painter of a theme of ours; of another theme, that of the first."""
        return cls(PALETTES.get(name) or next(iter(PALETTES.values())))

    def line(self, spans: Sequence[Span], width: int, ground: Style | None = None) -> Strip:
        """Return one line of `width` cells, filled up or cut."""
        under = self.base if ground is None else ground
        segments = [
            Segment(one_line(span.text), under + self.styles.get(span.role, _PLAIN))
            for span in spans
            if span.text
        ]
        return Strip(segments).adjust_cell_length(width, under)

    def cell(self, spans: Cell, column: Column, width: int, ground: Style) -> list[Segment]:
        """Return one cell of a row, `width` cells wide."""
        shown = [Span(one_line(span.text), span.role) for span in spans if span.text]
        total = sum(cell_len(span.text) for span in shown)
        if total > width:
            shown, total = self._cut(shown, width, column.keeps_end), width
        pad = Segment(" " * (width - total), ground)
        segments = [Segment(span.text, ground + self.styles.get(span.role, _PLAIN)) for span in shown]
        return [pad, *segments] if column.is_right else [*segments, pad]

    def _cut(self, spans: list[Span], width: int, keeps_end: bool) -> list[Span]:
        """Cut spans to `width` cells with an ellipsis."""
        if width <= 1:
            return [Span(self.glyphs.ellipsis * width)]
        if keeps_end and len(spans) == 1:
            text, role = spans[0]
            while cell_len(text) > width - 1:
                text = text[max(1, (len(text) - width) // 2 + 1) :] if len(text) > 2 * width else text[1:]
            return [Span(set_cell_size(f"{self.glyphs.ellipsis}{text}", width), role)]
        room = width - 1
        cut: list[Span] = []
        for text, role in spans:
            if cell_len(text) <= room:
                cut.append(Span(text, role))
                room -= cell_len(text)
                continue
            cut.append(Span(set_cell_size(text[: room + 1], room) + self.glyphs.ellipsis, role))
            break
        return cut


_PLAIN = Style()


class Listing(ScrollView, can_focus=True):
    """A table with a cursor.

    Args:
        rows: Where the rows come from; may be replaced and may grow.
        empty: What to say when there is none.
    """

    BINDINGS: ClassVar[list[BindingType]] = bindings_of("list")

    class Moved(Message):
        """The cursor is on another row, or the rows are others."""

        def __init__(self, listing: Listing, index: int) -> None:
            super().__init__()
            self.listing = listing
            self.index = index

        @property
        def control(self) -> Listing:
            """The listing."""
            return self.listing

    class Chosen(Moved):
        """Enter or a second click on a row."""

    def __init__(self, rows: Rows, *, empty: str = "Nothing here.", id: str | None = None) -> None:
        super().__init__(id=id)
        self.rows = rows
        self.empty = empty
        self.index = 0
        self.painter = Painter(next(iter(PALETTES.values())))

    def on_mount(self) -> None:
        """Take the theme's colours, and every later one's."""
        self._repaint(self.app.theme)
        self.app.theme_changed_signal.subscribe(self, lambda theme: self._repaint(theme.name))
        self.update_rows()

    def update_rows(self) -> None:
        """Show what the rows are now."""
        count = len(self.rows)
        self.index = max(0, min(self.index, count - 1))
        size = Size(self.size.width, count + 1)
        if self.virtual_size != size:
            self.virtual_size = size
        self.refresh()

    def move_to(self, index: int) -> None:
        """Put the cursor on a row, as far as there is one, and scroll it into sight."""
        index = max(0, min(index, len(self.rows) - 1))
        has_moved = index != self.index
        self.index = index
        self._reveal()
        self.refresh()
        if has_moved:
            self.post_message(self.Moved(self, index))

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width  # without the scroll bar
        if y == 0:
            return self._head(width)
        index = self.scroll_offset.y + y - 1
        if not len(self.rows) and y == 2:
            return self.painter.line([Span(f"  {self.empty}", "dim")], width)
        if not 0 <= index < len(self.rows):
            return self.painter.line([], width)
        ground = self.painter.base
        if index == self.index:
            ground = self.painter.cursor if self.has_focus else self.painter.trail
        return self._row(index, ground, width)

    def action_move(self, rows: int) -> None:
        """Move the cursor by some rows."""
        self.move_to(self.index + rows)

    def action_page(self, pages: float) -> None:
        """Move the cursor by screens."""
        self.move_to(self.index + int(pages * max(1, self.size.height - 2)))

    def action_first(self) -> None:
        """Go to the first row."""
        self.move_to(0)

    def action_last(self) -> None:
        """Go to the last row."""
        self.move_to(len(self.rows) - 1)

    def action_choose(self) -> None:
        """Open the row under the cursor."""
        if len(self.rows):
            self.post_message(self.Chosen(self, self.index))

    def on_click(self, event: Click) -> None:
        """Put the cursor there; on the row that has it already, open the row."""
        index = self.scroll_offset.y + event.y - 1
        if event.y < 1 or not 0 <= index < len(self.rows):
            return
        if index == self.index and event.chain > 1:
            self.action_choose()
        else:
            self.move_to(index)

    def on_resize(self, _event: Resize) -> None:
        """Lay out anew."""
        self.update_rows()
        self._reveal()

    def _repaint(self, theme: str) -> None:
        self.painter = Painter.of_theme(theme)
        self.refresh()

    def _reveal(self) -> None:
        room = max(1, self.size.height - 1)
        top = self.scroll_offset.y
        if self.index < top:
            self.scroll_to(y=self.index, animate=False, force=True)
        elif self.index >= top + room:
            self.scroll_to(y=self.index - room + 1, animate=False, force=True)

    def _widths(self, width: int) -> list[tuple[int, Column, int]]:
        """Return number, column and width of the columns that are shown."""
        shown = [(i, column) for i, column in enumerate(self.rows.columns) if width >= column.from_width]
        room = width - 1 - sum(column.width for _, column in shown) - 2 * (len(shown) - 1)
        shares = sum(column.stretch for _, column in shown)
        if room < 0:  # too narrow for all: those that stretch give way
            return [
                (i, column, max(4, column.width + room) if column.stretch else column.width)
                for i, column in shown
            ]
        return [
            (i, column, column.width + (room * column.stretch // shares if shares else 0))
            for i, column in shown
        ]

    def _head(self, width: int) -> Strip:
        segments = [Segment(" ", self.painter.base)]
        for _, column, wide in self._widths(width):
            segments += self.painter.cell([Span(column.title, "head")], column, wide, self.painter.base)
            segments.append(Segment("  ", self.painter.base))
        return Strip(segments).adjust_cell_length(width, self.painter.base)

    def _row(self, index: int, ground: Style, width: int) -> Strip:
        cells = self.rows.cells(index)
        mark = self.painter.glyphs.cursor if index == self.index else " "
        segments = [Segment(mark, ground + self.painter.styles["accent"])]
        if cells is None:
            segments.append(Segment(self.painter.glyphs.ellipsis, ground + self.painter.styles["dim"]))
        else:
            for number, column, wide in self._widths(width):
                segments += self.painter.cell(cells[number], column, wide, ground)
                segments.append(Segment("  ", ground))
        return Strip(segments).adjust_cell_length(width, ground)

    def watch_has_focus(self, value: bool) -> None:
        super().watch_has_focus(value)
        self.refresh(Region(0, 0, self.size.width, self.size.height))

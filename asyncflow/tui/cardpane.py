"""The cards of one attempt: drawn by the store's thread, redrawn in place when the task shows something new."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual.binding import BindingType
from textual.events import Resize
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from asyncflow.cards.live import Stamp, stamp_of
from asyncflow.errors import AsyncflowError
from asyncflow.look import PALETTES, glyphs
from asyncflow.tui.keys import bindings_of
from asyncflow.tui.listing import Painter

if TYPE_CHECKING:  # what reads and draws cards is loaded when the first one is looked at: 40 ms
    from asyncflow.cards.terminal import Line, Redrawn
    from asyncflow.client.cards import Card
    from asyncflow.look import Palette
    from asyncflow.tui.app import Dashboard

__all__ = ["CardPane", "Subject"]

_LOOK_EVERY_S = 0.1
_MARGIN = 1


class Subject(NamedTuple):
    """Whose cards are shown, and as of when."""

    pathspec: str
    attempt: int
    status: str
    """The task's: when it changes, so does what stands around the card."""


class _Drawn(NamedTuple):
    """What the store's thread has made."""

    lines: list[Line]
    name: str
    count: int
    number: int


class CardPane(ScrollView, can_focus=True):
    """Shows cards, one at a time. `show` says whose."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_of("card")
    app: Dashboard

    class Named(Message):
        """Another card is shown: its name and number are known."""

    class Told(Message):
        """Something to say about a card."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.painter = Painter(next(iter(PALETTES.values())))
        self.title = ""
        self.note = ""
        self._subject: Subject | None = None
        self._number = 0
        self._lines: list[Line] = []
        self._unfolds = False
        self._drawer = _Drawer(self.painter.palette, unfolds=False)
        self._stamp: Stamp | None = None
        self._is_stale = False
        self._is_loading = False

    def on_mount(self) -> None:
        """Take the theme's colours, and every later one's; look for news while in sight."""
        self._repaint(self.app.theme)
        self.app.theme_changed_signal.subscribe(self, lambda theme: self._repaint(theme.name))
        self.set_interval(_LOOK_EVERY_S, self._look)

    def show(self, subject: Subject) -> None:
        """Show the cards of another task or attempt, from the top; of the same, what is new on them."""
        if subject == self._subject:
            return
        if self._subject is None or subject[:2] != self._subject[:2]:
            self._number = 0
            self.scroll_to(y=0, animate=False, force=True)
        self._subject = subject
        self._is_stale = True
        self._look()

    def _look(self) -> None:
        """Draw anew if there is something new, and nothing is being drawn. Costs a stat, some 3 us."""
        if self._subject is None or not self.display or not self.is_attached or self._is_loading:
            return
        _, run, _, task = self._subject.pathspec.split("/")
        stamp = stamp_of(self.app.home, int(run), int(task), self._subject.attempt)
        if self._is_stale or stamp != self._stamp:
            self._stamp, self._is_stale, self._is_loading = stamp, False, True
            self.run_worker(self._load(self._subject), exclusive=True, exit_on_error=True)

    async def _load(self, subject: Subject) -> None:
        width = max(20, self.scrollable_content_region.width - 2 * _MARGIN)
        try:
            drawer, number = self._drawer, self._number
            drawn = await self.app.desk.ask(lambda _: drawer.draw(self.app.home, subject, number, width))
        except AsyncflowError as error:
            drawn = _Drawn([[Segment(f"{error.headline}: {error}")]], "", 0, 0)
        finally:
            self._is_loading = False
        if subject[:2] == (self._subject or subject)[:2]:
            self._take(drawn)

    def _take(self, drawn: _Drawn) -> None:
        self._lines = drawn.lines
        self._number = drawn.number
        self.title = drawn.name
        self.note = f"{drawn.number + 1} of {drawn.count}" if drawn.count > 1 else ""
        self.post_message(self.Named())
        size = Size(self.scrollable_content_region.width, len(self._lines))
        if size != self.virtual_size:
            self.virtual_size = size
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        index = self.scroll_offset.y + y
        ground = self.painter.base
        if index >= len(self._lines):
            return Strip.blank(width, ground)
        segments = [Segment(text, ground + (style or Style())) for text, style, _ in self._lines[index]]
        return Strip([Segment(" " * _MARGIN, ground), *segments]).adjust_cell_length(width, ground)

    def on_resize(self, _event: Resize) -> None:
        """Lay out anew."""
        self._again()

    def action_scroll(self, lines: int) -> None:
        """Scroll by some lines."""
        self.scroll_to(y=self.scroll_offset.y + lines, animate=False, force=True)

    def action_page(self, pages: int) -> None:
        """Scroll by screens."""
        self.action_scroll(pages * max(1, self.size.height - 2))

    def action_first(self) -> None:
        """Go to the top."""
        self.scroll_to(y=0, animate=False, force=True)

    def action_last(self) -> None:
        """Go to the end."""
        self.scroll_to(y=len(self._lines), animate=False, force=True)

    def action_other(self, distance: int) -> None:
        """Show another card of the task."""
        self._number += distance
        self.action_first()
        self._again()

    def action_unfold(self) -> None:
        """Unfold what is folded, and back."""
        self._unfolds = not self._unfolds
        self._new_drawer()

    def action_browse(self) -> None:
        """Open the card in the browser."""
        if self._subject is not None:
            self.run_worker(self._browse(self._subject, self._number))

    async def _browse(self, subject: Subject, number: int) -> None:
        try:
            path = await self.app.desk.ask(
                lambda _: _chosen(_cards(self.app.home, subject), number)[0].view()
            )
        except (AsyncflowError, OSError) as error:
            path = str(error)
        self.post_message(self.Told(path))

    def text(self) -> str:
        """Return what is shown, without colours."""
        return "\n".join("".join(segment.text for segment in line).rstrip() for line in self._lines)

    def _again(self) -> None:
        self._is_stale = True
        self._look()

    def _new_drawer(self) -> None:
        self._drawer = _Drawer(self.painter.palette, unfolds=self._unfolds)
        self._again()

    def _repaint(self, theme: str) -> None:
        self.painter = Painter.of_theme(theme)
        self._new_drawer()


class _Drawer:
    """Reads and draws cards, in the store's thread; keeps what was drawn last.

    Args:
        palette: The colours.
        unfolds: Draw what is folded, too.
    """

    def __init__(self, palette: Palette, *, unfolds: bool) -> None:
        self._palette = palette
        self._unfolds = unfolds
        self._redrawn: Redrawn | None = None

    def draw(self, home: str, subject: Subject, number: int, width: int) -> _Drawn:
        """Draw the `number`-th of a task's cards, counted round. Raises StoreError, NoSuchObject."""
        from asyncflow.cards.terminal import Ink, Redrawn, head_of

        if self._redrawn is None:
            has_colours = not os.environ.get("NO_COLOR")
            self._redrawn = Redrawn(
                Ink(self._palette, glyphs(), has_colours=has_colours, unfolds=self._unfolds)
            )
        cards = _cards(home, subject)
        card, at = _chosen(cards, number)
        page = card.page()
        lines = [*head_of(page, width, self._redrawn.ink), *self._redrawn.lines(page.nodes, width)]
        return _Drawn(lines, card.id or card.type, len(cards), at)


def _cards(home: str, subject: Subject) -> list[Card]:
    from asyncflow.client.cards import cards_of, plain_card
    from asyncflow.client.place import place_at
    from asyncflow.client.tasks import Task

    task = Task(subject.pathspec, attempt=subject.attempt, _namespace_check=False, _place=place_at(home))
    return list(cards_of(task)) or [plain_card(task)]


def _chosen(cards: list[Card], number: int) -> tuple[Card, int]:
    at = number % len(cards)
    return cards[at], at

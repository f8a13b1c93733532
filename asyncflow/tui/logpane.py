"""The log of one attempt: follows it, searches it, and never holds more of it than what is in sight."""

from __future__ import annotations

import re
import time
from array import array
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import BindingType
from textual.events import Click, MouseScrollDown, MouseScrollUp, Resize
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget
from textual.worker import get_current_worker

from asyncflow.look import PALETTES, Span, glyphs
from asyncflow.text import one_line
from asyncflow.tui.keys import bindings_of
from asyncflow.tui.listing import Painter
from asyncflow.tui.logfile import LogFile, Shown

__all__ = ["LogPane", "compiled"]

_MOST_MATCHES = 1_000_000
"""Lines a filter keeps, 8 bytes each."""
_ERROR = re.compile(rb"(?i)\b(error|exception|traceback|fatal|critical|panic)|^[0-9.]+ e[+]? .", re.MULTILINE)


def compiled(text: str) -> re.Pattern[bytes]:
    """Return what a search means: a regular expression if it is one, else the text itself; small letters match both."""
    flags = re.MULTILINE | (re.IGNORECASE if text == text.lower() else 0)
    raw = text.encode("utf-8", "surrogateescape")
    try:
        return re.compile(raw, flags)
    except re.error:
        return re.compile(re.escape(raw), flags)


class LogPane(Widget, can_focus=True):
    """Shows a log file. `show` says which."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_of("log")

    class Told(Message):
        """Something to say about a search."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class PagerAsked(Message):
        """The log is to be opened in $PAGER."""

    class _Found(Message):
        def __init__(self, position: int | None, text: str) -> None:
            super().__init__()
            self.position = position
            self.text = text

    class _Matched(Message):
        def __init__(self, path: str, positions: list[int], is_last: bool) -> None:
            super().__init__()
            self.path = path
            self.positions = positions
            self.is_last = is_last

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.painter = Painter(next(iter(PALETTES.values())))
        self.log_file: LogFile | None = None
        self.title = ""
        self.is_following = True
        self.is_wrapped = False
        self.has_times = True
        self.pattern: re.Pattern[bytes] | None = None
        self.query_text = ""
        self.selected = 0
        """Position of the line that is copied, and from which is searched."""
        self._top = 0
        """Position of the first line in sight; with a filter, its number among the matches."""
        self._only: array[int] | None = None
        self._shown: list[tuple[int, Strip]] = []
        self._new_lines = 0

    def on_mount(self) -> None:
        """Take the theme's colours, and every later one's; look for news while in sight."""
        self._repaint(self.app.theme)
        self.app.theme_changed_signal.subscribe(self, lambda theme: self._repaint(theme.name))
        self.set_interval(0.1, self._look)

    def on_unmount(self) -> None:
        """Let go of the file."""
        if self.log_file is not None:
            self.log_file.close()

    def show(self, path: str | None, title: str) -> None:
        """Show another file from its end on; the same file is left as it is. None: none."""
        self.title = title
        if self.log_file is not None:
            if self.log_file.path == path:
                return
            self.log_file.close()
        self.workers.cancel_node(self)
        self.log_file = None if path is None else LogFile(path)
        self._only = None
        self.is_following, self._new_lines = True, 0
        self._to_end()
        if self.pattern is not None and path is not None:
            self.selected = self._top

    def search(self, text: str) -> None:
        """Go to the next line that matches; an empty text ends the search."""
        self.query_text = text
        self.pattern = compiled(text) if text else None
        was_filtered = self._only is not None
        self._only = None
        if self.pattern is None:
            self._draw()
        elif was_filtered:
            self.action_only()
        else:
            self._seek(self._first_in_sight(), backwards=False, is_wrapping=True)

    @property
    def selected_text(self) -> str:
        """The line under the cursor."""
        line = None if self.log_file is None else self.log_file.line_at(self.selected)
        return "" if line is None else line.text

    @property
    def note(self) -> str:
        """What the title line says about where one is."""
        if self.log_file is None:
            return ""
        words = []
        if self.query_text:
            words.append(f"/{self.query_text}")
        if self._only is not None:
            words.append(f"{len(self._only):,} matches only")
        if self.is_following:
            words.append("following")
        elif self._new_lines:
            words.append("new lines: G")
        elif self.log_file.end:
            words.append(f"{100 * self._first_in_sight() // self.log_file.end} %")
        return f" {glyphs().dot} ".join(words)

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y < len(self._shown):
            return self._shown[y][1]
        if y == 1 and not self._shown:
            return self.painter.line([Span("  Nothing was printed.", "dim")], width)
        return self.painter.line([], width)

    def action_move(self, lines: int) -> None:
        """Move the cursor; at an edge, scroll."""
        file = self.log_file
        if file is None or not self._shown:
            return
        self._leave_end()
        places = list(dict.fromkeys(position for position, _ in self._shown))
        at = places.index(self.selected) if self.selected in places else (0 if lines > 0 else len(places) - 1)
        if 0 <= at + lines < len(places):
            self.selected = places[at + lines]
            self._draw()
            return
        self._scroll(lines)
        places = list(dict.fromkeys(position for position, _ in self._shown))
        self.selected = places[-1 if lines > 0 else 0] if places else 0
        self._draw()

    def action_page(self, pages: float) -> None:
        """Scroll by screens."""
        self._leave_end()
        self._scroll(int(pages * max(1, self.size.height - 1)))
        self.selected = self._shown[0][0] if self._shown else 0
        self._draw()

    def action_first(self) -> None:
        """Go to the beginning."""
        self._leave_end()
        self._top = 0
        self._draw()
        self.selected = self._shown[0][0] if self._shown else 0
        self._draw()

    def action_follow(self) -> None:
        """Go to the end, and stay there."""
        self.is_following, self._new_lines = True, 0
        self._to_end()

    def action_again(self, direction: int) -> None:
        """Go to the next match, or the one before."""
        if self.pattern is None or self.log_file is None:
            self.post_message(self.Told("Nothing was searched for: press /"))
            return
        start = self.log_file.next_of(self.selected) if direction > 0 else self.selected
        self._seek(start, backwards=direction < 0)

    def action_next_error(self) -> None:
        """Go to the next line that looks like an error."""
        if self.log_file is not None:
            start = 0 if self.is_following else self.log_file.next_of(self.selected)
            self._seek(start, backwards=False, pattern=_ERROR, what="error")

    def action_only(self) -> None:
        """Show only the lines that match, or all again."""
        if self._only is not None or self.pattern is None or self.log_file is None:
            if self._only is None:
                self.post_message(self.Told("Nothing was searched for: press /"))
            elif self.is_following:
                self._only = None
                self._to_end()
            else:
                position = self._first_in_sight()
                self._only, self._top = None, position
            self._draw()
            return
        self._only, self._top = array("q"), 0
        path, pattern = self.log_file.path, self.pattern
        self.run_worker(lambda: self._collect(path, pattern), thread=True, exclusive=True, group="filter")
        self._draw()

    def action_wrap(self) -> None:
        """Wrap long lines, or cut them."""
        self.is_wrapped = not self.is_wrapped
        self._again()

    def action_times(self) -> None:
        """Show times, or not."""
        self.has_times = not self.has_times
        self._again()

    def action_pager(self) -> None:
        """Open the log in $PAGER."""
        self.post_message(self.PagerAsked())

    def on_click(self, event: Click) -> None:
        """Put the cursor on a line."""
        if event.y < len(self._shown):
            self._leave_end()
            self.selected = self._shown[event.y][0]
            self._draw()

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        """Scroll down; at the end, follow."""
        event.stop()
        self._scroll(3)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        """Scroll up."""
        event.stop()
        self._leave_end()
        self._scroll(-3)

    def on_resize(self, _event: Resize) -> None:
        """Lay out anew."""
        self._again()

    def on_log_pane__found(self, message: LogPane._Found) -> None:
        """Go where the search has found something."""
        message.stop()
        if message.position is None:
            self.post_message(self.Told(message.text))
            return
        self._only = None
        self._leave_end()
        self.selected = message.position
        file = self.log_file
        if file is not None and not any(position == message.position for position, _ in self._shown):
            self._top = file.back(message.position, self.size.height // 3)
        self._draw()

    def on_log_pane__matched(self, message: LogPane._Matched) -> None:
        """Take in matches of the filter."""
        message.stop()
        if self._only is None or self.log_file is None or self.log_file.path != message.path:
            return
        self._only.extend(message.positions)
        if message.is_last and not self._only:
            self.post_message(self.Told(f"No line matches {self.query_text}"))
        if self.is_following:
            self._to_end()
        else:
            self._draw()

    def _repaint(self, theme: str) -> None:
        self.painter = Painter.of_theme(theme)
        self._draw()

    def _look(self) -> None:
        """Look whether the file has grown."""
        file = self.log_file
        if file is None or not self.display or not file.refresh():
            return
        if self.is_following and self._only is None:
            self._to_end()
        else:
            self._new_lines += 1
            if len(self._shown) < self.size.height:
                self._draw()

    def _leave_end(self) -> None:
        if self.is_following:
            self.is_following = False
            if self._shown:
                self.selected = self._shown[-1][0]

    def _to_end(self) -> None:
        file = self.log_file
        if file is not None:
            if self._only is not None:
                self._top = max(0, len(self._only) - self.size.height)
            else:
                self._top = file.back(file.end, max(1, self.size.height))
        self._draw()
        if self.is_wrapped and self._only is None:  # a screen of lines may be more than a screen of rows
            self._shown = self._rows(self._top, 10_000)[-max(1, self.size.height) :]
            self.refresh()

    def _again(self) -> None:
        if self.is_following:
            self._to_end()
        else:
            self._draw()

    def _scroll(self, lines: int) -> None:
        file = self.log_file
        if file is None:
            return
        if self._only is not None:
            most = max(0, len(self._only) - self.size.height)
            self._top = max(0, min(most, self._top + lines))
            self._draw()
            return
        if lines < 0:
            self._top = file.back(self._top, -lines)
        else:
            last = file.back(file.end, max(1, self.size.height))
            for _ in range(lines):
                if self._top >= last:
                    self.is_following, self._new_lines = True, 0
                    break
                self._top = file.next_of(self._top)
        self._draw()

    def _first_in_sight(self) -> int:
        return self._shown[0][0] if self._shown else 0

    def _draw(self) -> None:
        """Lay out what is in sight."""
        if not self.is_attached:
            return
        self._shown = self._rows(self._top, max(1, self.size.height))
        self.refresh()

    def _rows(self, top: int, most: int) -> list[tuple[int, Strip]]:
        rows: list[tuple[int, Strip]] = []
        file = self.log_file
        if file is None:
            return rows
        number = top
        while len(rows) < most:
            if self._only is None:
                line = file.line_at(number)
                number = file.next_of(number)
            else:
                line = file.line_at(self._only[number]) if number < len(self._only) else None
                number += 1
            if line is None:
                break
            rows.extend((line.position, strip) for strip in self._strips(line))
        return rows[:most]

    def _strips(self, line: Shown) -> list[Strip]:
        width = max(10, self.size.width)
        ground = self.painter.base
        if line.position == self.selected and self.has_focus and not self.is_following:
            ground = self.painter.cursor
        prefix = self._prefix(line, ground)
        taken = sum(segment.cell_length for segment in prefix)
        segments = self._marked(line, ground)
        if not self.is_wrapped:
            return [Strip([*prefix, *segments]).adjust_cell_length(width, ground)]
        whole = Strip(segments)
        room = max(10, width - taken)
        rows = [whole.crop(start, start + room) for start in range(0, max(1, whole.cell_length), room)]
        blank = [Segment(" " * taken, ground)]
        return [
            Strip([*(prefix if number == 0 else blank), *row]).adjust_cell_length(width, ground)
            for number, row in enumerate(rows)
        ]

    def _prefix(self, line: Shown, ground: Style) -> list[Segment]:
        styles = self.painter.styles
        mark = self.painter.glyphs.vertical if line.is_error else " "
        segments = [Segment(f"{mark} ", ground + styles["stderr"])]
        if self.has_times:
            shown = time.strftime("%H:%M:%S", time.localtime(line.at)) if line.at else " " * 8
            segments.insert(0, Segment(f"{shown}.{int(line.at * 1000) % 1000:03d} ", ground + styles["dim"]))
        return segments

    def _marked(self, line: Shown, ground: Style) -> list[Segment]:
        """Return a line's text with the matches marked."""
        styles = self.painter.styles
        plain = ground + styles["stderr" if line.is_error else "text"]
        text = one_line(line.text)
        if line.cut_bytes:
            text += f" {self.painter.glyphs.ellipsis} {line.cut_bytes:,} more bytes in this line: press v"
        if self.pattern is None:
            return [Segment(text, plain)]
        raw = text.encode("utf-8", "surrogateescape")
        hit = ground + styles["hit-here" if line.position == self.selected else "hit"]
        segments: list[Segment] = []
        reached = 0
        for found in self.pattern.finditer(raw):
            if found.end() == found.start():
                continue
            segments.append(Segment(raw[reached : found.start()].decode("utf-8", "replace"), plain))
            segments.append(Segment(raw[found.start() : found.end()].decode("utf-8", "replace"), hit))
            reached = found.end()
        segments.append(Segment(raw[reached:].decode("utf-8", "replace"), plain))
        return segments

    def _seek(
        self,
        start: int,
        *,
        backwards: bool,
        pattern: re.Pattern[bytes] | None = None,
        what: str = "",
        is_wrapping: bool = False,
    ) -> None:
        wanted = pattern or self.pattern
        if self.log_file is None or wanted is None:
            return
        path = self.log_file.path
        shown = what or self.query_text
        self.run_worker(
            lambda: self._find(
                path, wanted, start, backwards=backwards, shown=shown, is_wrapping=is_wrapping
            ),
            thread=True,
            exclusive=True,
            group="search",
        )

    def _find(
        self,
        path: str,
        pattern: re.Pattern[bytes],
        start: int,
        *,
        backwards: bool,
        shown: str,
        is_wrapping: bool,
    ) -> None:
        """Search, in a thread of its own with a mapping of its own."""
        worker = get_current_worker()
        file = LogFile(path)
        try:
            position = file.find(pattern, start, backwards=backwards, is_stopped=lambda: worker.is_cancelled)
            if position is None and is_wrapping and not worker.is_cancelled:
                position = file.find(pattern, 0, backwards=False, is_stopped=lambda: worker.is_cancelled)
        finally:
            file.close()
        if not worker.is_cancelled:
            where = "before" if backwards else "after"
            self.post_message(self._Found(position, f"No {shown} {where} this line"))

    def _collect(self, path: str, pattern: re.Pattern[bytes]) -> None:
        worker = get_current_worker()
        file = LogFile(path)
        try:
            for positions in file.matches(pattern, 0, _MOST_MATCHES):
                if worker.is_cancelled:
                    return
                if positions:
                    self.post_message(self._Matched(path, positions, False))
        finally:
            file.close()
        self.post_message(self._Matched(path, [], True))

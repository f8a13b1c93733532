"""Nodes as lines of segments: drawn by Rich, then made harmless once more, and redrawn only where they changed."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

from rich.console import Console, RenderableType
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from asyncflow.cards.terminal.draw import Draw
from asyncflow.cards.terminal.ink import Ink
from asyncflow.cards.tree import Node, Page
from asyncflow.look import Span, status_spans
from asyncflow.text import moment_text, one_line

__all__ = ["Line", "Redrawn", "head_of", "lines_of", "text_of"]

Line = list[Segment]

_LEAST_WIDTH = 12
_FAR_FUTURE = 1e11
_TO_ASCII = str.maketrans(
    {
        **dict.fromkeys("─━╌┄═╸╺", "-"),
        **dict.fromkeys("│┃▌▐║", "|"),
        **dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╰╯╞╡╪┏┓┗┛┡┩╇╈", "+"),
        "•": "*", "…": "~", "→": ">", "←": "<", "▼": "v", "▶": ">", "·": ".", "×": "x", "█": "#", "▇": "#", "■": "#",
    }
)  # fmt: skip
"""What Rich draws with, for terminals that cannot show it."""


def lines_of(nodes: Iterable[Node], width: int, ink: Ink) -> list[Line]:
    """Return nodes as lines of at most `width` cells, an empty line between two."""
    return Redrawn(ink).lines(nodes, width)


def text_of(lines: Iterable[Line]) -> str:
    """Return lines without their colours."""
    return "\n".join("".join(segment.text for segment in line).rstrip() for line in lines)


def head_of(page: Page, width: int, ink: Ink) -> list[Line]:
    """Return the lines above a page's nodes: whose card it is, and how that went."""
    path = [Span(f"{one_line(page.pathspec)}  ", "dim")] if page.pathspec else []
    status = list(status_spans(page.status, ink.glyphs)) if page.status else []
    about = [f"attempt {page.attempt}"] if page.pathspec else []
    if page.type != "default" or page.card_id:
        about.append(f"card {one_line(page.type)} {one_line(page.card_id)}".strip())
    if 0 < page.made_at < _FAR_FUTURE:
        about.append(f"made {moment_text(page.made_at)}")
    live = [Span(f" {ink.glyphs.statuses['running']} live", "strong-good")] if page.is_live else []
    lines = [
        [Span(one_line(page.title) or "Card", "title"), *live],
        [*path, *status],
        [Span(f" {ink.glyphs.dot} ".join(about), "dim")],
        [Span(ink.glyphs.rule * width, "faint")],
    ]
    return [
        _fitted([Segment(one_line(span.text), ink.style(span.role)) for span in line], width)
        for line in lines
    ]


class Redrawn:
    """Draws nodes, and of those that are as they were takes the lines it has.

    Args:
        ink: Colours and glyphs.
    """

    def __init__(self, ink: Ink) -> None:
        self.ink = ink
        self._width = 0
        self._nodes: list[Node] = []
        self._lines: list[list[Line]] = []
        self._console: Console | None = None

    def lines(self, nodes: Iterable[Node], width: int) -> list[Line]:
        """Return the lines of the nodes, in a width of so many cells."""
        width = max(width, _LEAST_WIDTH)
        if width != self._width or self._console is None:
            self._width, self._nodes, self._lines = width, [], []
            self._console = _console(width, self.ink)
        draw = Draw(self.ink)
        drawn: list[list[Line]] = []
        wanted = list(nodes)
        for number, node in enumerate(wanted):
            if number < len(self._nodes) and self._nodes[number] == node:
                drawn.append(self._lines[number])
            else:
                drawn.append(self._anew(node, draw, self._console))
        self._nodes, self._lines = wanted, drawn
        return [line for number, part in enumerate(drawn) for line in ([[]] if number else []) + part]

    def _anew(self, node: Node, draw: Draw, console: Console) -> list[Line]:
        """Draw a node; one that a library trips over is named, so that the rest of the card is seen."""
        try:
            return _drawn(draw(node), console, self._width, self.ink)
        except Exception as error:  # noqa: BLE001 - what a task has left may be such that no library expects it
            told = f"[{type(node).__name__}: it cannot be drawn here: {type(error).__name__}]"
            return _drawn(Text(told, self.ink.style("dim")), console, self._width, self.ink)


def _console(width: int, ink: Ink) -> Console:
    return Console(
        file=io.StringIO(),
        width=width,
        color_system="truecolor",
        force_terminal=True,
        legacy_windows=False,
        markup=False,
        emoji=False,
        highlight=False,
        theme=ink.theme(),
        _environ={},
    )


def _drawn(drawing: RenderableType, console: Console, width: int, ink: Ink) -> list[Line]:
    found = console.render_lines(drawing, console.options.update(width=width), pad=False)
    return [_fitted(_harmless(line, ink), width) for line in found]


def _harmless(line: Sequence[Segment], ink: Ink) -> Line:
    """Return segments without control codes and links; whatever library has drawn them."""
    safe: Line = []
    for text, style, control in line:
        if control or not text:
            continue
        shown = one_line(text)
        if ink.is_ascii:
            shown = shown.translate(_TO_ASCII)
        safe.append(Segment(shown, _without_link(style)))
    return safe


def _without_link(style: Style | None) -> Style | None:
    return style.update_link(None) if style is not None and style.link else style


def _fitted(line: Line, width: int) -> Line:
    if sum(segment.cell_length for segment in line) <= width:
        return line
    return Segment.adjust_line_length(line, width)

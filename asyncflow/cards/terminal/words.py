"""Nodes that are words and numbers: text, Markdown, code, values, progress, errors, logs."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import ClassVar

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.markdown import CodeBlock, Heading, Markdown
from rich.padding import Padding
from rich.panel import Panel
from rich.segment import Segment
from rich.style import Style
from rich.syntax import Syntax
from rich.text import Text

from asyncflow.cards import tree
from asyncflow.cards.terminal.ink import Ink
from asyncflow.cards.terminal.numbers import number_text
from asyncflow.cards.terminal.wide import Wide
from asyncflow.look import bar
from asyncflow.text import bytes_text, one_line, visible

__all__ = [
    "artifact_head",
    "caption",
    "clean",
    "event_head",
    "folded",
    "heading",
    "note",
    "said",
    "timeline_head",
    "words",
]

_MOST_LINES = 300
"""Of code, JSON and logs; the browser shows all."""
_MOST_TRACE = 12
_FAR_FUTURE = 1e11
_THEMES = {
    "success": "good", "warning": "waiting", "danger": "bad", "error": "bad", "info": "running",
    "tool_call": "cached", "ai_response": "accent",
}  # fmt: skip
_TONES = {"muted": "dim", "title": "title", "subtitle": "bold"}


def clean(text: str) -> str:
    """Return text on one line that a terminal may show."""
    return one_line(text)


def said(text: str, style: Style) -> Text:
    """Return words as they are, line feeds included."""
    return Text(visible(text), style, overflow="fold")


def note(text: str, ink: Ink) -> RenderableType:
    """Return what was left out, quietly."""
    return Text(visible(text), ink.style("dim") + Style(italic=True))


def caption(title: str, ink: Ink) -> list[RenderableType]:
    """Return a node's title, if it has one."""
    return [Text(clean(title), ink.style("bold"))] if title else []


def heading(title: str, ink: Ink) -> RenderableType:
    """Return a section's title."""

    def draw(width: int) -> Text:
        told = clean(title)[: max(1, width - 4)]
        rule = ink.glyphs.rule
        line = Text(f"{told} ", ink.style("title"), no_wrap=True)
        return line.append(rule * max(0, width - line.cell_len), ink.style("faint"))

    return Wide(draw)


def folded(title: str, parts: int, ink: Ink) -> RenderableType:
    """Return a section that is not unfolded."""
    return Text.assemble(
        (f"{ink.glyphs.arrow_right} ", ink.style("dim")),
        (clean(title), ink.style("title")),
        (f"  {parts} part{'s' * (parts != 1)}, folded", ink.style("dim")),
    )


def words(node: tree.Node, ink: Ink) -> RenderableType:
    """Return a node that has no nodes in it; of one that is not known, its class's name."""
    match node:
        case tree.Text():
            return said(node.text, ink.style(_TONES.get(node.tone, "text"))) if node.text else Group()
        case tree.Markdown():
            return _markdown(node.text, ink)
        case tree.Value():
            return _value(node, ink)
        case tree.Progress():
            return _progress(node, ink)
        case tree.Code():
            return Group(*caption(node.title, ink), _source(node.code, node.language, ink, node.first_line))
        case tree.Json():
            text = node.yaml if node.syntax == "yaml" else node.text
            return Group(*caption(node.title, ink), _source(text, node.syntax, ink, 0))
        case tree.Error():
            return _error(node, ink)
        case tree.Log():
            return Group(*caption(node.title, ink), _lines(node.text, ink.style("text"), ink, keeps_end=True))
        case tree.Html():
            told = "A page that a custom card has made as HTML: it is shown in the browser only."
            return note(told, ink)
        case _:
            return Text(type(node).__name__, ink.style("dim"))


class _PlainHeading(Heading):
    """A heading as a bold line, without a box around it."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text("")
        self.text.justify = "left"
        yield self.text


class _PlainCode(CodeBlock):
    """Code on the terminal's own ground."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        code = str(self.text).rstrip()
        source = Syntax(code, self.lexer_name, theme=self.theme, word_wrap=True, background_color="default")
        yield Padding(source, (0, 0, 0, 2))


class _Markdown(Markdown):
    elements: ClassVar = {
        **Markdown.elements,
        "heading_open": _PlainHeading,
        "fence": _PlainCode,
        "code_block": _PlainCode,
    }


def _markdown(text: str, ink: Ink) -> RenderableType:
    """Return Markdown: as in the browser HTML in it is text, and addresses are written out."""
    from asyncflow.cards.html.markdown import parsed

    made = _Markdown("", hyperlinks=False)
    made.code_theme = ink.syntax()  # pyright: ignore[reportAttributeAccessIssue] - it is handed on to Syntax, which takes either
    made.parsed = parsed(text, has_pictures=False)
    return _Compact(made)


class _Compact:
    """Markdown with one empty line between its parts, and none around them."""

    def __init__(self, markdown: Markdown) -> None:
        self._markdown = markdown

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        was_empty, is_first = True, True
        for line in console.render_lines(self._markdown, options, pad=False):
            is_empty = not "".join(segment.text for segment in line).strip()
            if not is_empty:
                if was_empty and not is_first:
                    yield Segment.line()
                yield from line
                yield Segment.line()
                is_first = False
            was_empty = is_empty


def _value(node: tree.Value, ink: Ink) -> RenderableType:
    role = _THEMES.get(node.theme, "accent")
    number = Text(clean(node.value), ink.style(role) + Style(bold=True))
    if node.change:
        number.append(f"  {clean(node.change)}", ink.style("dim"))
    parts: list[RenderableType] = [Text(clean(node.title), ink.style("dim"))] if node.title else []
    parts.append(number)
    if node.subtitle:
        parts.append(Text(clean(node.subtitle), ink.style("dim")))
    frame = box.ASCII if ink.is_ascii else box.ROUNDED
    return Panel(Group(*parts), box=frame, border_style=ink.style("faint"), padding=(0, 1))


def _progress(node: tree.Progress, ink: Ink) -> RenderableType:
    is_known = node.max > 0 and math.isfinite(node.max) and math.isfinite(node.value)
    figures = number_text(node.value) + (f" / {number_text(node.max)}" if is_known else "")
    figures += f" {clean(node.unit)}" if node.unit else ""
    figures += f" {ink.glyphs.dot} {clean(node.details)}" if node.details else ""

    def draw(width: int) -> RenderableType:
        line = Text(clean(node.label or "Progress"), ink.style("text"))
        room = width - line.cell_len - len(figures)
        line.append(" " * room if room > 0 else "  ").append(figures, ink.style("dim"))
        share = min(max(node.value / node.max, 0.0), 1.0) if is_known else 0.0
        role = "good" if share >= 1.0 else "accent"
        drawn = Text()
        for span in bar([(share, role)], 1.0, width, ink.glyphs):
            drawn.append(span.text, ink.style(span.role))
        return Group(line, drawn)

    return Wide(draw, least=16)


def _source(code: str, language: str, ink: Ink, first_line: int) -> RenderableType:
    shown, left = _cut(code, ink)
    name = language if language.isidentifier() else "text"
    source = Syntax(
        visible(shown).rstrip("\n"),
        name,
        theme=ink.syntax(),
        background_color="default",
        word_wrap=True,
        line_numbers=first_line > 0,
        start_line=max(first_line, 1),
    )
    return Group(source, note(left, ink)) if left else source


def _error(node: tree.Error, ink: Ink) -> RenderableType:
    parts: list[RenderableType] = [Text(clean(node.title), ink.style("strong-bad"))]
    if node.message:
        parts.append(said(node.message, ink.style("text")))
    if node.traceback:
        most = _MOST_LINES if ink.unfolds else _MOST_TRACE
        parts.append(_lines(node.traceback, ink.style("dim"), ink, keeps_end=True, most=most))
    frame = box.ASCII if ink.is_ascii else box.ROUNDED
    return Panel(Group(*parts), box=frame, border_style=ink.style("bad"), padding=(0, 1))


def _lines(text: str, style: Style, ink: Ink, *, keeps_end: bool, most: int = _MOST_LINES) -> RenderableType:
    shown, left = _cut(text, ink, keeps_end=keeps_end, most=most)
    parts: list[RenderableType] = [said(shown.rstrip("\n"), style)]
    if left:
        parts.insert(0 if keeps_end else 1, note(left, ink))
    return Group(*parts)


def _cut(text: str, ink: Ink, *, keeps_end: bool = False, most: int = _MOST_LINES) -> tuple[str, str]:
    """Return the lines that are drawn, and a note on those that are not."""
    lines = text.splitlines()
    if len(lines) <= most:
        return text, ""
    kept = lines[-most:] if keeps_end else lines[:most]
    which = "last" if keeps_end else "first"
    return "\n".join(kept), f"{ink.glyphs.ellipsis} the {which} {most:,} of {len(lines):,} lines"


def artifact_head(node: tree.Artifact, ink: Ink) -> RenderableType:
    """Return an artifact's name, type and size."""
    told = Text(clean(node.name), ink.style("bold"))
    kind = clean(node.type)
    size = f" {ink.glyphs.dot} {bytes_text(node.size_bytes)}" if node.size_bytes >= 0 else ""
    return told.append(f"{'  ' if node.name else ''}{kind}{size}", ink.style("dim"))


def timeline_head(node: tree.Timeline, ink: Ink) -> Iterator[RenderableType]:
    """Yield a timeline's title and figures."""
    yield from caption(node.title, ink)
    stats = f" {ink.glyphs.dot} ".join(f"{clean(number)} {clean(name)}" for name, number in node.stats)
    if stats or node.is_finished:
        line = Text(stats, ink.style("dim"))
        yield line.append(
            f"  {ink.glyphs.statuses['succeeded']} finished" if node.is_finished else "", ink.style("good")
        )


def event_head(node: tree.Event, ink: Ink) -> RenderableType:
    """Return the line of an event: when, and what."""
    at = time.strftime("%H:%M:%S", time.localtime(node.at)) if 0 < node.at < _FAR_FUTURE else " " * 8
    role = _THEMES.get(node.theme, "dim")
    mark = ink.glyphs.statuses["running"] if not ink.is_ascii else "*"
    line = Text.assemble(
        (f"{at} ", ink.style("dim")), (f"{mark} ", ink.style(role)), (clean(node.title), ink.style("bold"))
    )
    return line.append(f"  {clean(node.priority)}" if node.priority else "", ink.style(role))

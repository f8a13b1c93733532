"""Metrics and charts: curves, points and bars by plotext, bars of names and heat maps by blocks."""

from __future__ import annotations

import time
from threading import Lock
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.console import Group, RenderableType
from rich.style import Style
from rich.text import Text

from asyncflow.cards import tree
from asyncflow.cards.terminal import words
from asyncflow.cards.terminal.ink import Ink
from asyncflow.cards.terminal.numbers import number_text, ticks
from asyncflow.cards.terminal.vega import CannotDraw, Drawing, Points, drawings_of
from asyncflow.cards.terminal.wide import Wide
from asyncflow.look import sparkline

__all__ = ["chart", "metric"]

_MOST_WIDTH = 110
_BETWEEN = "   "
"""Two entries of a legend."""
_LEAST_PLOT = 30
"""Cells: where there are fewer, a metric is one line of little columns."""
_MOST_BARS = 40
_MOST_CELLS = 40
"""Of a heat map, along one side."""
_MARKERS = ("braille", "dot", "x", "+", "o", "*", "s", "d")
"""By series, where colours tell nothing; of the first one curve its own."""
_ASCII_MARKERS = ("*", "o", "+", "x", "#", "@", "s", "d")
_MISSING = "The chart is not drawn, as plotext is not installed: pip install 'asyncflow-run[cards]'."
_FRAME = str.maketrans("•", "*")
_plotting = Lock()
"""Plotext has one figure for all threads."""


def metric(node: tree.Metric, ink: Ink) -> RenderableType:
    """Return a metric: its curves, and each series' last value."""
    series = [one for one in node.series if one.x and len(one.x) == len(one.y)]
    title = words.caption(node.title, ink)
    if not series:
        return Group(*title, words.note("No value was reported yet.", ink))
    drawing = Drawing(
        x_title=node.x_label,
        series=tuple(Points(name=one.name, kind="line", x=one.x, y=one.y) for one in series),
    )
    units = [f"{number_text(one.y[-1])}{f' {words.clean(node.unit)}' if node.unit else ''}" for one in series]

    def draw(width: int) -> RenderableType:
        if width < _LEAST_PLOT:
            return Group(
                *title, *(_spark(one, told, ink, width) for one, told in zip(series, units, strict=True))
            )
        is_curve = any(len(one.x) > 1 for one in series)
        plot = [_plot(drawing, ink, width)] if is_curve else []
        return Group(*title, *plot, _legend(drawing, ink, units, width))

    return Wide(draw, most=_MOST_WIDTH)


def chart(node: tree.Chart, ink: Ink) -> RenderableType:
    """Return a chart as far as a terminal can draw it, and what is not drawn."""
    title = words.caption(node.title, ink)
    if not node.spec:
        return Group(*title)
    try:
        drawings = drawings_of(node.spec)
    except CannotDraw as error:
        return Group(*title, words.note(f"[a chart: {error}; it is drawn in the browser only]", ink))
    return Group(*title, *(_drawing(one, ink) for one in drawings))


def _drawing(drawing: Drawing, ink: Ink) -> RenderableType:
    def draw(width: int) -> RenderableType:
        parts: list[RenderableType] = list(words.caption(drawing.title, ink))
        if drawing.series[0].kind == "heat":
            parts.append(_heat(drawing, drawing.series[0], ink, width))
        elif drawing.series[0].kind == "bar" and drawing.x_names:
            parts.append(_bars(drawing, ink, width))
        else:
            parts.append(_plot(drawing, ink, width))
            if len(drawing.series) > 1:
                parts.append(_legend(drawing, ink, [""] * len(drawing.series), width))
        if drawing.left_out:
            parts.append(words.note(f"Not drawn here: {drawing.left_out}.", ink))
        return Group(*parts)

    return Wide(draw, most=_MOST_WIDTH)


def _spark(series: tree.Series, told: str, ink: Ink, width: int) -> Text:
    line = Text(no_wrap=True, overflow="ellipsis")
    if series.name:
        line.append(f"{words.clean(series.name)} ", ink.style("dim"))
    room = max(4, width - line.cell_len - len(told) - 1)
    low = min(series.y)
    line.append(sparkline([value - low for value in series.y], room, ink.glyphs), ink.style("accent"))
    return line.append(f" {told}", ink.style("bold"))


def _legend(drawing: Drawing, ink: Ink, units: list[str], width: int) -> RenderableType:
    """Name the series, as many on a line as have room."""
    lines = [Text()]
    for number, (one, told) in enumerate(zip(drawing.series, units, strict=True)):
        mark = (
            ink.glyphs.full if ink.has_colours and not ink.is_ascii else _marker(number, ink, is_shown=True)
        )
        entry = Text(f"{mark} ", ink.style(ink.curve(number)))
        entry.append(words.clean(one.name), ink.style("dim"))
        entry.append(f" {told}" if told else "", ink.style("bold"))
        if lines[-1] and lines[-1].cell_len + len(_BETWEEN) + entry.cell_len > width:
            lines.append(Text())
        lines[-1].append(_BETWEEN if lines[-1] else "").append_text(entry)
    return Group(*lines)


def _marker(number: int, ink: Ink, *, is_shown: bool = False) -> str:
    if ink.is_ascii:
        return _ASCII_MARKERS[number % len(_ASCII_MARKERS)]
    marker = "braille" if ink.has_colours else _MARKERS[number % len(_MARKERS)]
    return {"braille": ink.glyphs.full, "dot": "•"}.get(marker, marker) if is_shown else marker


def _plot(drawing: Drawing, ink: Ink, width: int) -> RenderableType:
    """Draw along two axes of numbers."""
    try:
        import plotext  # optional; 40 ms
    except ImportError:
        return words.note(_MISSING, ink)
    height = 10 if width < 60 else 14
    try:
        with _plotting:
            drawn = _plotted(plotext, drawing, ink, width, height)
    except Exception as error:  # noqa: BLE001 - numbers from a task may be such that a library does not expect them
        return words.note(f"[a chart: it cannot be drawn: {type(error).__name__}]", ink)
    lines = [Text.from_ansi(line, no_wrap=True, overflow="crop") for line in drawn.rstrip("\n").split("\n")]
    for line in lines:
        line.plain = line.plain.translate(_FRAME) if ink.is_ascii else line.plain
    if drawing.x_title:
        lines.append(Text(words.clean(drawing.x_title)[:width], ink.style("dim"), justify="right"))
    return Group(*lines)


def _plotted(plt: Any, drawing: Drawing, ink: Ink, width: int, height: int) -> str:  # Any: has no types
    plt.clear_figure()
    plt.limit_size(False, False)
    plt.theme("clear")
    plt.plot_size(width, height)
    dim = ink.rgb("dim")
    plt.axes_color("default")
    plt.ticks_color(dim)
    for number, one in enumerate(drawing.series):
        _plot_series(plt, one, _marker(number, ink), ink.rgb(ink.curve(number)))
    _x_axis(plt, drawing, width)
    values = [value for one in drawing.series for value in one.y]
    if any(one.kind in ("bar", "area") for one in drawing.series):
        values.append(0.0)
    low, high = min(values), max(values)
    if low == high:
        low, high = low - (abs(low) or 1.0) * 0.5, high + (abs(high) or 1.0) * 0.5
    plt.ylim(low, high)
    if drawing.y_names:
        places = list(range(len(drawing.y_names)))
        plt.yticks(places, [_short(name, 12) for name in drawing.y_names])
    else:
        marks = ticks(low, high, 5)
        plt.yticks(marks, [number_text(mark) for mark in marks])
    drawn: str = plt.build()
    return drawn


def _plot_series(plt: Any, one: Points, marker: str, colour: tuple[int, int, int]) -> None:
    x, y = list(one.x), list(one.y)
    if one.kind == "point" or len(x) == 1:
        plt.scatter(x, y, marker="dot" if marker == "braille" else marker, color=colour)
    elif one.kind == "bar":
        gaps = sorted(
            after - before for before, after in zip(sorted(x), sorted(x)[1:], strict=False) if after > before
        )
        wide = gaps[0] if gaps else 1.0  # they touch: gaps narrower than a cell would come and go
        for at, value in zip(x, y, strict=True):
            left, right = at - wide / 2, at + wide / 2
            plt.plot([left, right], [value, value], marker="sd", color=colour, fillx=True)
    else:
        plt.plot(x, y, marker=marker, color=colour, fillx=one.kind == "area")


def _x_axis(plt: Any, drawing: Drawing, width: int) -> None:
    if drawing.x_names:
        step = max(1, len(drawing.x_names) * 8 // width)
        places = list(range(0, len(drawing.x_names), step))
        room = max(3, width // max(len(places), 1) - 1)
        plt.xticks(places, [_short(drawing.x_names[place], room) for place in places])
        return
    values = [value for one in drawing.series for value in one.x]
    low, high = min(values), max(values)
    if low == high:
        low, high = low - (abs(low) or 1.0) * 0.5, high + (abs(high) or 1.0) * 0.5
    plt.xlim(low, high)
    about = max(2, width // 14)
    if drawing.is_x_time:
        form = "%H:%M:%S" if high - low < 86_400 else "%Y-%m-%d"
        places = [low + (high - low) * number / max(about - 1, 1) for number in range(about)]
        plt.xticks(places, [time.strftime(form, time.localtime(place)) for place in places])
        return
    is_whole = all(value == int(value) for value in values[:1000] if abs(value) < 1e15)
    marks = ticks(low, high, about, is_whole=is_whole)
    plt.xticks(marks, [number_text(mark) for mark in marks])


def _short(text: str, most: int) -> str:
    return words.clean(text)[:most]


def _bars(drawing: Drawing, ink: Ink, width: int) -> RenderableType:
    """Draw a bar for each name, from left to right."""
    rows = [
        (drawing.x_names[int(at)], value, number)
        for number, one in enumerate(drawing.series)
        for at, value in zip(one.x, one.y, strict=True)
    ]
    rows.sort(key=lambda row: list(drawing.x_names).index(row[0]))
    many = len(drawing.series) > 1
    shown = rows[:_MOST_BARS]
    tells_series = many and not ink.has_colours  # else by colour
    names = [
        words.clean(f"{name} {drawing.series[number].name}" if tells_series else name)
        for name, _, number in shown
    ]
    told = [number_text(value) for _, value, _ in shown]
    label = min(max(map(cell_len, names), default=1), width // 3)
    room = max(4, width - label - max(map(len, told), default=1) - 2)
    top = max((abs(value) for _, value, _ in shown), default=1.0) or 1.0
    parts: list[RenderableType] = []
    for name, text, (_, value, number) in zip(names, told, shown, strict=True):
        line = Text(no_wrap=True, overflow="crop")
        is_first = not parts or not many or name != names[len(parts) - 1]
        line.append(f"{set_cell_size(name if is_first else '', label)} ", ink.style("dim"))
        role = ink.curve(number) if value >= 0 else "bad"
        line.append(_block(abs(value) / top * room, ink), ink.style(role))
        parts.append(line.append(f" {text}", ink.style("text")))
    if len(rows) > len(shown):
        parts.append(words.note(f"{ink.glyphs.ellipsis} the first {len(shown)} of {len(rows):,} bars", ink))
    if many and not tells_series:
        parts.append(_legend(drawing, ink, [""] * len(drawing.series), width))
    return Group(*parts)


def _block(cells: float, ink: Ink) -> str:
    whole = int(cells)
    if ink.is_ascii:
        return "#" * max(whole, 1 if cells > 0 else 0)
    rest = int((cells - whole) * 8)
    return "█" * whole + (" ▏▎▍▌▋▊▉"[rest] if rest else "")


def _heat(drawing: Drawing, one: Points, ink: Ink, width: int) -> RenderableType:
    """Draw a table of numbers, the larger the brighter their ground."""
    columns, rows = drawing.x_names, drawing.y_names
    label = min(max((cell_len(words.clean(name)) for name in rows), default=1), 12)
    known = {(int(at), int(up)): value for at, up, value in zip(one.x, one.y, one.value, strict=True)}
    widest = max((len(number_text(value)) for value in one.value), default=1)
    wide = min(max(widest + 1, max((cell_len(words.clean(name)[:6]) for name in columns), default=1) + 1), 9)
    count = max(1, min(len(columns), (width - label - 1) // wide, _MOST_CELLS))
    low, high = min(one.value, default=0.0), max(one.value, default=1.0)
    head = Text(" " * (label + 1), no_wrap=True)
    for name in columns[:count]:
        head.append(_short(name, wide - 1).rjust(wide - 1) + " ", ink.style("dim"))
    parts: list[RenderableType] = [head]
    for number, name in enumerate(rows[:_MOST_CELLS]):
        line = Text(f"{set_cell_size(words.clean(name), label)} ", ink.style("dim"), no_wrap=True)
        for column in range(count):
            value = known.get((column, number))
            text = "" if value is None else number_text(value)
            share = 0.0 if value is None or high == low else (value - low) / (high - low)
            line.append(f"{text[: wide - 1].rjust(wide - 1)} ", _heat_style(share, ink))
        parts.append(line)
    left = [f"{count} of {len(columns)} columns"] if count < len(columns) else []
    left += [f"{_MOST_CELLS} of {len(rows)} rows"] if len(rows) > _MOST_CELLS else []
    if left:
        parts.append(words.note(f"{ink.glyphs.ellipsis} {', '.join(left)} have room", ink))
    axes = " / ".join(filter(None, (drawing.y_title, drawing.x_title)))
    return Group(*parts, Text(words.clean(axes), ink.style("dim")))


def _heat_style(share: float, ink: Ink) -> Style:
    ground, hot = ink.rgb("background"), ink.rgb("accent")
    mixed = tuple(round(a + (b - a) * share) for a, b in zip(ground, hot, strict=True))
    is_dense = share > 0.55
    text = ink.palette.background if is_dense else ink.palette.text
    return Style(color=text, bgcolor=f"#{mixed[0]:02x}{mixed[1]:02x}{mixed[2]:02x}", bold=is_dense)

"""Tables: as many columns as there is room for, cells of text or of other nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from asyncflow.cards import tree
from asyncflow.cards.terminal import words
from asyncflow.cards.terminal.wide import Wide

if TYPE_CHECKING:
    from asyncflow.cards.terminal.draw import Draw

__all__ = ["facts", "table"]

_MOST_ROWS = 200
"""Drawn in a terminal; the browser shows all."""
_LOOKED_AT = 50
"""Rows by which a column's width is told."""
_MOST_CELL = 300
_WIDE_ENOUGH = 12
_OF_NODES = 18
"""Cells that a column with nodes in it wants."""
_GAP = 3
"""Cells between two columns: a line, or the place of one, and a space on both sides."""


def table(node: tree.Table, draw: Draw) -> RenderableType:
    """Return a table."""
    return Group(*words.caption(node.title, draw.ink), Wide(lambda width: _grid(node, draw, width)))


def facts(node: tree.Facts, draw: Draw) -> RenderableType:
    """Return names with values."""
    grid = Grid.grid(padding=(0, 2, 0, 0))
    grid.add_column(style=draw.ink.style("dim"), max_width=24)
    grid.add_column(ratio=1)
    for name, value in node.rows:
        grid.add_row(Text(words.clean(name)), draw(value))
    return Group(*words.caption(node.title, draw.ink), grid)


def _grid(node: tree.Table, draw: Draw, width: int) -> RenderableType:
    ink = draw.ink
    rows = node.rows[:_MOST_ROWS]
    columns = max((len(node.headers), *(len(row) for row in rows)), default=0)
    if not columns:
        return Text("An empty table.", ink.style("dim"))
    shown = _fitting(node.headers, rows, columns, width)
    grid = Grid(
        box=box.ASCII if ink.is_ascii else box.SIMPLE_HEAD,
        show_header=bool(node.headers),
        show_edge=False,
        pad_edge=False,
        padding=(0, 1),
        border_style=ink.style("faint"),
        header_style=ink.style("head"),
    )
    for number in range(shown):
        is_right = node.align[number : number + 1] == "r"
        title = words.clean(node.headers[number]) if number < len(node.headers) else ""
        grid.add_column(Text(title), justify="right" if is_right else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(_cell(cell, draw) for cell in row[:shown]))
    return Group(grid, *_notes(node, columns, shown, len(rows), draw))


def _fitting(headers: Sequence[str], rows: Sequence[Sequence[tree.Cell]], columns: int, width: int) -> int:
    """Return how many columns have room."""
    room = width
    for number in range(columns):
        wanted = cell_len(headers[number][:_WIDE_ENOUGH]) if number < len(headers) else 1
        for row in rows[:_LOOKED_AT]:
            if number < len(row):
                cell = row[number]
                wanted = max(wanted, cell_len(cell[:_WIDE_ENOUGH]) if isinstance(cell, str) else _OF_NODES)
        room -= min(wanted, _OF_NODES) + _GAP
        if room < -_GAP:
            return max(1, number)
    return columns


def _cell(cell: tree.Cell, draw: Draw) -> RenderableType:
    if isinstance(cell, str):
        shown = cell if len(cell) <= _MOST_CELL else f"{cell[:_MOST_CELL]}{draw.ink.glyphs.ellipsis}"
        return words.said(shown, draw.ink.style("text"))
    return draw(cell)


def _notes(node: tree.Table, columns: int, shown: int, rows: int, draw: Draw) -> list[RenderableType]:
    told: list[str] = []
    if shown < columns:
        told.append(f"{shown} of {columns} columns have room")
    if rows < len(node.rows):
        told.append(f"the first {rows:,} of {len(node.rows):,} rows are drawn in the terminal")
    return [words.note(f"{draw.ink.glyphs.ellipsis} {'; '.join(told)}", draw.ink)] if told else []

"""Aligned columns that fit the screen: the widest column that may shrink gives way."""

from __future__ import annotations

from collections.abc import Sequence

from asyncflow.cli import terminal
from asyncflow.cli.terminal import Part, Span, Style
from asyncflow.records import record

__all__ = ["Column", "write_table"]

_GAP = "  "
_NARROWEST = 6


@record(kw_only=False)
class Column:
    """One column."""

    title: str
    is_right: bool = False
    """Aligned to the right."""
    can_shrink: bool = False


def write_table(columns: Sequence[Column], rows: Sequence[Sequence[Part]]) -> None:
    """Write rows of cells to stdout, a title above each column. Cells stay on one line."""
    lines = [[_plain(cell) for cell in row] for row in rows]
    widths = [
        max([len(column.title), *(len(line[i].text) for line in lines)]) for i, column in enumerate(columns)
    ]
    _fit(columns, widths)
    terminal.out(*_laid_out(columns, widths, [Span(column.title, Style.BOLD) for column in columns]))
    for row in lines:
        terminal.out(*_laid_out(columns, widths, row))


@record(frozen=False, kw_only=False)
class _Cell:
    text: str
    style: Style | None


def _plain(part: Part) -> _Cell:
    style = part.style if isinstance(part, Span) else None
    return _Cell(terminal.one_line(part.text if isinstance(part, Span) else part), style)


def _fit(columns: Sequence[Column], widths: list[int]) -> None:
    """Shrink columns until a line fits the screen, or none can shrink any more."""
    room = terminal.width() - len(_GAP) * (len(columns) - 1)
    while sum(widths) > room:
        can = [i for i, column in enumerate(columns) if column.can_shrink and widths[i] > _NARROWEST]
        if not can:
            return
        widest = max(can, key=lambda i: widths[i])
        widths[widest] -= 1


def _laid_out(columns: Sequence[Column], widths: Sequence[int], cells: Sequence[_Cell | Span]) -> list[Part]:
    parts: list[Part] = []
    for i, (column, cell) in enumerate(zip(columns, cells, strict=True)):
        text = terminal.one_line(cell.text, widths[i])
        is_last = i == len(columns) - 1
        pad = "" if is_last and not column.is_right else " " * (widths[i] - len(text))
        shown: Part = text if cell.style is None else Span(text, cell.style)
        parts.extend([pad, shown] if column.is_right else [shown, pad])
        if not is_last:
            parts.append(_GAP)
    while parts and isinstance(parts[-1], str) and not parts[-1].strip():
        parts.pop()
    return parts

"""Tables, of lists and of data frames."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, Self

from asyncflow.cards import tree
from asyncflow.cards.component import Component, Drawn
from asyncflow.cards.guard import node_of
from asyncflow.cards.limits import (
    TABLE_CHARS,
    TABLE_COLUMNS,
    TABLE_ROWS,
    left_out,
    title_of,
)
from asyncflow.cards.preview import cell_text, frame_head

__all__ = ["Table"]

_TRUNCATED_ROWS = 100


class Table(Drawn):
    """A table; cells are texts, numbers, any values, or components.

    Args:
        data: Rows, each a sequence of cells; a data frame, too.
        headers: The columns' names. None: none.
        disable_updates: `update` and later changes of `data` are not shown while the task runs.
        title: None: none.
    """

    def __init__(
        self,
        data: Any = None,  # Any: an iterable of sequences, or a data frame
        headers: Sequence[Any] | None = None,
        disable_updates: bool = False,
        *,
        title: str | None = None,
    ) -> None:
        self._frozen: tree.Table | None = None
        self._title = title
        self._set(data, headers)
        if disable_updates:
            self._frozen = self.draw()

    @classmethod
    def from_dataframe(cls, dataframe: Any = None, truncate: bool = True) -> Self:  # Any: of pandas or polars
        """Make one of a data frame: of its first 100 rows, or as many as a card shows if `truncate` is False."""
        table = cls()
        if dataframe is not None:
            table._frame, table._most = dataframe, _TRUNCATED_ROWS if truncate else TABLE_ROWS
        return table

    def update(self, *args: Any, **named: Any) -> None:
        """Show other rows: `update(data, headers=None)`, or `update(dataframe)`."""
        headers = self._headers if self._frame is None else None
        given = dict(zip(("data", "headers"), args, strict=False)) | named
        frame = given.get("dataframe")
        self._set(given.get("data") if frame is None else frame, given.get("headers", headers))

    def draw(self, depth: int = 0) -> tree.Table:
        if self._frozen is not None:
            return self._frozen
        if self._frame is not None:
            return frame_head(self._frame, self._most)
        return self._of_rows(depth)

    def _set(self, data: Any, headers: Sequence[Any] | None) -> None:
        is_frame = hasattr(data, "columns") and hasattr(data, "shape") and hasattr(data, "head")
        self._most = TABLE_ROWS
        self._frame: Any = data if is_frame else None
        self._data: Any = () if data is None or is_frame else data
        self._headers = headers

    def _of_rows(self, depth: int) -> tree.Table:
        data = self._data
        if not isinstance(data, Sequence):
            data = self._data = list(data)
        rows: list[tuple[tree.Cell, ...]] = []
        left = TABLE_CHARS
        widest = 0
        for row in islice(data, TABLE_ROWS):
            cells = _cells(row)
            widest = max(widest, len(cells))
            made = tuple(_cell(cell, depth) for cell in cells[:TABLE_COLUMNS])
            left -= sum(len(cell) for cell in made if isinstance(cell, str))
            if left < 0:
                break
            rows.append(made)
        headers = tuple(title_of(name) for name in (self._headers or ()))
        widest = max(widest, len(headers))
        notes = (
            left_out(len(rows), len(data), "rows"),
            left_out(min(widest, TABLE_COLUMNS), widest, "columns"),
        )
        return tree.Table(
            title=title_of(self._title),
            headers=headers[:TABLE_COLUMNS],
            rows=tuple(rows),
            align=_alignment(data, min(widest, TABLE_COLUMNS)),
            total_rows=len(data),
            note=" ".join(filter(None, notes)),
        )


def _cells(row: Any) -> Sequence[Any]:
    if isinstance(row, str) or not isinstance(row, Iterable):
        return (row,)
    return row if isinstance(row, Sequence) else list(row)


def _cell(value: Any, depth: int) -> tree.Cell:
    if isinstance(value, Component | tree.Node) or callable(getattr(value, "draw", None)):
        return node_of(value, depth + 1)
    try:
        return cell_text(value)
    except Exception:  # noqa: BLE001 - a value's own `__repr__` or `__str__`
        return f"({type(value).__name__} that cannot be shown)"


def _alignment(data: Sequence[Any], columns: int) -> str:
    """Return by column whether it has numbers, from the first rows."""
    letters: list[str] = []
    first = [_cells(row) for row in data[:20]]
    for column in range(columns):
        values = [row[column] for row in first if column < len(row) and row[column] is not None]
        is_number = bool(values) and all(
            (isinstance(value, int | float) and not isinstance(value, bool)) or _is_numpy_number(value)
            for value in values
        )
        letters.append("r" if is_number else "l")
    return "".join(letters)


def _is_numpy_number(value: object) -> bool:
    return type(value).__module__ == "numpy" and type(value).__name__.startswith(("int", "uint", "float"))

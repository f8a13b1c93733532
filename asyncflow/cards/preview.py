"""What a value looks like, in a few lines: numbers and texts as they are, tables by their first rows.

It is asked of values in the process that has them. It calls what the value itself offers to be shown (`repr`, `head`),
imports nothing, and knows libraries by their names only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asyncflow.cards import tree
from asyncflow.cards.limits import CELL_CHARS, clipped, left_out, title_of
from asyncflow.cards.plain import brief, json_text

__all__ = ["cell_text", "frame_head", "preview"]

_ROWS = 10
_COLUMNS = 12
_SHORT = 200
_LARGE = 1 << 64


def preview(value: object) -> tree.Node:
    """Return something that shows the value. Raises what its own code raises."""
    kind = type(value)
    if kind is float or kind is bool or value is None or (kind is int and -_LARGE < value < _LARGE):  # pyright: ignore[reportOperatorIssue]
        return tree.Text(text=repr(value))  # a tenth of the time of what is below, in a fresh fork
    if isinstance(value, str):
        text, note = clipped(value, 5_000)
        return tree.Text(text=text, note=note)
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        return _of_container(value)
    home = type(value).__module__.partition(".")[0]
    if home in ("pandas", "polars") and hasattr(value, "columns") and hasattr(value, "shape"):
        return frame_head(value, _ROWS)
    if home == "numpy" and hasattr(value, "shape"):
        return _of_array(value)
    text, note = clipped(brief(value), 5_000)
    return tree.Text(text=text, note=note)


def cell_text(value: object) -> str:
    """Return a value as the text of a table's cell."""
    if value is None:
        return ""
    if isinstance(value, str):
        text = value
    elif isinstance(value, float):
        text = f"{value:.6g}" if value == value and abs(value) < 1e16 else str(float(value))
    elif isinstance(value, bytes | bytearray):
        text = bytes(value[:CELL_CHARS]).decode("utf-8", "backslashreplace")
    elif type(value).__module__ == "builtins":
        text = brief(value)
    else:
        text = str(value)
    return text if len(text) <= CELL_CHARS else f"{text[: CELL_CHARS - 1]}…"


def frame_head(frame: Any, most: int) -> tree.Table:  # Any: a DataFrame of pandas or polars
    """Return the first rows of a data frame."""
    rows, columns = frame.shape
    head = frame.iloc[:most, :_COLUMNS] if hasattr(frame, "iloc") else frame[:most, :_COLUMNS]
    names = [title_of(name) for name in list(head.columns)]
    values: list[Any] = head.values.tolist() if hasattr(head, "iloc") else [list(row) for row in head.rows()]
    notes = [left_out(len(values), rows, "rows"), left_out(len(names), columns, "columns")]
    kinds = [str(kind).lower() for kind in list(head.dtypes)]
    return tree.Table(
        headers=tuple(names),
        rows=tuple(tuple(cell_text(cell) for cell in row) for row in values),
        align="".join("r" if kind.startswith(("int", "float", "uint")) else "l" for kind in kinds),
        total_rows=rows,
        note=" ".join(filter(None, notes)),
    )


def _of_container(value: Any) -> tree.Node:
    text = brief(value)
    if len(text) <= _SHORT:
        return tree.Text(text=text)
    shown, note = json_text(value, 20_000)
    return tree.Json(text=shown, note=note, is_folded=True)


def _of_array(value: Any) -> tree.Node:  # Any: an array or number of NumPy
    if not value.shape:
        return tree.Text(text=str(value))
    about = f"array of {' × '.join(f'{size:,}' for size in value.shape)}, {value.dtype}"
    return tree.Text(text=clipped(repr(value), 2_000)[0], note=about)

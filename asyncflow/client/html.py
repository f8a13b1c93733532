"""How the client's objects look in a notebook. All text is escaped: it may come from tasks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["rows_of", "table_of"]

_LONGEST = 300
_CELL = "style='text-align:left;padding:1px 10px 1px 0'"


def table_of(title: str, fields: Iterable[tuple[str, object]]) -> str:
    """Return a table of names and values."""
    body = "".join(
        f"<tr><th {_CELL}>{_text(name)}</th><td {_CELL}>{_text(value)}</td></tr>" for name, value in fields
    )
    return f"<div><b>{_text(title)}</b><table>{body}</table></div>"


def rows_of(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table of rows."""
    head = "".join(f"<th {_CELL}>{_text(name)}</th>" for name in columns)
    body = "".join(f"<tr>{''.join(f'<td {_CELL}>{_text(value)}</td>' for value in row)}</tr>" for row in rows)
    return f"<div><b>{_text(title)}</b><table><tr>{head}</tr>{body}</table></div>"


def _text(value: object) -> str:
    text = "" if value is None else str(value)
    return escape(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")

"""Nested values as parts to be unfolded, without a script."""

from __future__ import annotations

import json

from markupsafe import Markup

from asyncflow.cards.html.shown import shown

__all__ = ["folded_html"]

_MOST_DEPTH = 32
_OPEN_DEPTH = 1


def folded_html(text: str) -> Markup:
    """Return JSON as parts that unfold; JSON that does not parse as it is."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return Markup(f"<pre>{shown(text)}</pre>")
    return Markup(f'<div class="json">{_value(data, 0)}</div>')


def _value(data: object, depth: int) -> str:
    if isinstance(data, dict | list) and data:
        return _container(data, depth)
    kind = {str: "string", bool: "word", type(None): "word", int: "number", float: "number"}.get(
        type(data), "word"
    )
    return f'<span class="{kind}">{shown(json.dumps(data, ensure_ascii=False))}</span>'


def _container(data: dict[str, object] | list[object], depth: int) -> str:
    begin, end = ("{", "}") if isinstance(data, dict) else ("[", "]")
    if depth >= _MOST_DEPTH:
        return f"{begin}…{end}"
    items = data.items() if isinstance(data, dict) else enumerate(data)
    rows = "".join(
        f'<li><span class="key">{shown(str(key))}</span> {_value(value, depth + 1)}</li>'
        for key, value in items
    )
    count = f"{len(data):,} {'key' if isinstance(data, dict) else 'item'}{'' if len(data) == 1 else 's'}"
    opened = " open" if depth < _OPEN_DEPTH else ""
    summary = f'<summary>{begin}<span class="count">{count}</span>{end}</summary>'
    return f"<details{opened}>{summary}<ul>{rows}</ul></details>"

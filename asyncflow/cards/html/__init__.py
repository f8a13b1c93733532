"""Pages as HTML: one small file that needs nothing beside it, in light and dark, without a script.

`page_html(page)` is a whole file; who shows a page that changes draws its nodes by `nodes_html` into `document`, keeps
one `Charts` for all of them, and replaces the `<section data-node>` of those that have become other values.
"""

from __future__ import annotations

from asyncflow.cards.html.charts import Charts
from asyncflow.cards.html.render import (
    content_policy,
    document,
    has_frame,
    node_html,
    nodes_html,
    page_html,
    style,
)

__all__ = [
    "Charts",
    "content_policy",
    "document",
    "has_frame",
    "node_html",
    "nodes_html",
    "page_html",
    "style",
]

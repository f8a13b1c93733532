"""Nodes and pages as HTML. Templates escape all text; what is markup was made by this room from parsed parts."""

from __future__ import annotations

import base64
import hashlib
import math
import os
import time
from functools import cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from asyncflow.cards import tree
from asyncflow.cards.html.charts import Charts
from asyncflow.cards.html.curves import curves_svg, number_text
from asyncflow.cards.html.folded import folded_html
from asyncflow.cards.html.graph import graph_svg
from asyncflow.cards.html.markdown import markdown_html
from asyncflow.cards.html.shown import shown
from asyncflow.text import bytes_text, moment_text, visible

__all__ = ["content_policy", "document", "has_frame", "node_html", "nodes_html", "page_html", "style"]

_MOST_DEPTH = 30
_FAR_FUTURE = 1e11
"""Seconds since the epoch: the year 5138."""
_IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml")
_CUSTOM_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:; "
    "media-src data:; base-uri 'none'; form-action 'none'"
)


def page_html(page: tree.Page, *, charts: Charts | None = None) -> str:
    """Return a page as one HTML file that needs nothing beside it, and runs no script.

    A page that a custom card has made as HTML is given back as it is, with a policy that lets it load nothing.

    Args:
        page: The page.
        charts: Draws its charts. None: one of its own, for this page.
    """
    if len(page.nodes) == 1 and isinstance(page.nodes[0], tree.Html):
        return _custom(page.nodes[0].html)
    if charts is None:
        with Charts() as own:
            return page_html(page, charts=own)
    return document(page, nodes_html(page.nodes, charts=charts))


def document(
    page: tree.Page, body: Markup, *, head: str = "", aside: str = "", policy: str | None = None
) -> str:
    """Return a whole document around a page's nodes, for servers that add to it.

    Args:
        page: Its title, where it is from and how that went.
        body: What is within `<main>`.
        head: More for `<head>`, as markup.
        aside: What stands beside the page, as markup.
        policy: The Content-Security-Policy. None: nothing is run, nothing is loaded.
    """
    frames = has_frame(page.nodes)
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            page=page,
            parts=page.pathspec.split("/") if page.pathspec else [],
            made=moment_text(page.made_at) if 0 < page.made_at < _FAR_FUTURE else "",
            body=body,
            head=Markup(head),
            aside=Markup(aside),
            style=Markup(style()),
            policy=content_policy(has_frames=frames) if policy is None else policy,
        )
    )


def nodes_html(nodes: tuple[tree.Node, ...], *, charts: Charts) -> Markup:
    """Return nodes as HTML, each in a `<section class="node" data-node="its number">`."""
    draw = _Draw(charts)
    parts = [
        f'<section class="node node-{_kind(node)}" data-node="{number}">{draw(node)}</section>'
        for number, node in enumerate(nodes)
    ]
    return Markup("\n".join(parts))


def node_html(node: tree.Node, *, charts: Charts) -> Markup:
    """Return one node as HTML."""
    return _Draw(charts)(node)


@cache
def style() -> str:
    """Return the style sheet of pages."""
    with open(os.path.join(os.path.dirname(__file__), "card.css"), encoding="utf-8") as file:
        return file.read()


def content_policy(*, has_frames: bool = False) -> str:
    """Return the Content-Security-Policy of pages: no script, our own style sheet, pictures within the file."""
    digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    styles = "'unsafe-inline'" if has_frames else f"'sha256-{digest}'"
    return f"default-src 'none'; style-src {styles}; img-src data:; base-uri 'none'; form-action 'none'"


def _custom(html: str) -> str:
    """Put the policy in front of a page that is not ours; a page without a head gets one."""
    meta = f'<meta http-equiv="Content-Security-Policy" content="{escape(_CUSTOM_POLICY)}">'
    return f'<!doctype html>\n<meta charset="utf-8">\n{meta}\n{html}'


def has_frame(nodes: tuple[tree.Node, ...]) -> bool:
    """Tell whether there is a part that a custom card has made as HTML, which brings styles of its own."""
    return any(
        isinstance(node, tree.Html) or (isinstance(node, tree.Section) and has_frame(node.nodes))
        for node in nodes
    )


def _kind(node: tree.Node) -> str:
    return type(node).__name__.lower()


class _Draw:
    """Draws nodes into the macros of `nodes.html.j2`, one of each kind."""

    def __init__(self, charts: Charts) -> None:
        self._charts = charts
        self._depth = 0
        self._macros: Any = _environment().get_template("nodes.html.j2").module

    def __call__(self, node: tree.Cell) -> Markup:
        """Return a node, or the text of a cell, as HTML."""
        if isinstance(node, str):
            return shown(node)
        if self._depth >= _MOST_DEPTH:
            return Markup('<p class="note">Nested deeper than is shown.</p>')
        self._depth += 1
        try:
            macro: Any = getattr(self._macros, _kind(node), None)
            if macro is None:
                return escape(type(node).__name__)
            return macro(node, self, self._extra(node))
        finally:
            self._depth -= 1

    def _extra(self, node: tree.Node) -> Any:
        """Return what a kind of node needs beside itself."""
        match node:
            case tree.Chart():
                return self._charts.draw(node.spec) if node.spec else None
            case tree.Image() if node.data and node.mime in _IMAGES:
                return f"data:{node.mime};base64,{base64.b64encode(node.data).decode()}"
            case tree.Code():
                return _highlighted(node)
            case tree.Metric():
                return curves_svg(node)
            case tree.Dag():
                return graph_svg(node)
            case tree.Json():
                return folded_html(node.text) if node.is_folded and node.syntax == "json" else None
            case tree.Table():
                return [Markup(" class=r") if letter == "r" else "" for letter in node.align] + [""] * 1_000
            case tree.Progress():
                return _share(node)
            case _:
                return None


def _share(node: tree.Progress) -> float | None:
    """Return percent; None: not known."""
    if node.max <= 0 or not math.isfinite(node.max) or not math.isfinite(node.value):
        return None
    return min(max(node.value / node.max * 100, 0.0), 100.0)


def _highlighted(node: tree.Code) -> Markup:
    from pygments import highlight
    from pygments.formatters.html import HtmlFormatter
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        lexer = get_lexer_by_name(node.language, stripnl=False)
    except ClassNotFound:
        return shown(node.code)
    made = highlight(visible(node.code), lexer, HtmlFormatter(nowrap=True, classprefix="y-"))
    return Markup(made.rstrip("\n"))


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(os.path.dirname(__file__)),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: visible(value) if type(value) is str else value,
        auto_reload=False,
    )
    made.filters.update(
        markdown=markdown_html,
        number=number_text,
        size=bytes_text,
        clock=lambda at: time.strftime("%H:%M:%S", time.localtime(at)) if 0 < at < _FAR_FUTURE else "",
    )
    return made

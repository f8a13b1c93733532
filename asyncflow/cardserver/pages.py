"""The pages of the server: a card with the list of its run's tasks beside it. All text is escaped by the templates."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence, Set
from functools import cache
from itertools import groupby
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from asyncflow.cards import tree
from asyncflow.cards.html import document, has_frame, style
from asyncflow.cardserver.shelf import MOST_TASKS, CardKey, Drawing, RunList
from asyncflow.events.rows import RunRow, TaskRow
from asyncflow.text import visible

__all__ = ["CUSTOM_POLICY", "Pages", "asset", "card_message", "policy"]

_HERE = os.path.dirname(__file__)
CUSTOM_POLICY = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; media-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
"""Of a page that a custom card has made: an origin of its own, which can ask this server nothing."""


@cache
def policy(*, is_header: bool = True, has_frames: bool = False) -> str:
    """Return the Content-Security-Policy of our pages: our script and our style sheets, and nothing from elsewhere.

    Args:
        is_header: It goes into a header, which says more than a page can.
        has_frames: Parts of the page bring styles of their own, in frames where nothing runs.
    """
    digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    styles = "'unsafe-inline'" if has_frames else f"'sha256-{digest}'"
    told = (
        f"default-src 'none'; script-src 'self'; style-src 'self' {styles}; img-src data:; "
        "connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'"
    )
    return f"{told}; frame-ancestors 'self'" if is_header else told


def asset(name: str) -> bytes:
    """Return one of the server's own files."""
    with open(os.path.join(_HERE, name), "rb") as file:
        return file.read()


def _sections(drawing: Drawing) -> list[Markup]:
    """Return drawn nodes as they stand in their page."""
    return [
        Markup(
            f'<section class="node node-{type(node).__name__.lower()}" data-node="{name}">{part}</section>'
        )
        for node, part, name in zip(drawing.page.nodes, drawing.parts, drawing.ids, strict=False)
    ]


def card_message(drawing: Drawing, had: Set[str]) -> dict[str, Any]:  # Any: JSON-like
    """Return what a page has to be told that has the parts of these names."""
    return {
        "order": drawing.ids,
        "status": drawing.page.status,
        "live": drawing.page.is_live,
        "parts": {
            name: made for name, made in zip(drawing.ids, _sections(drawing), strict=True) if name not in had
        },
    }


class Pages:
    """Makes pages.

    Args:
        base: The beginning of every path: `/TOKEN`.
        custom_base: That of pages which custom cards have made.
        is_fixed: One run is served, not all.
    """

    def __init__(self, base: str, custom_base: str, *, is_fixed: bool) -> None:
        self._base = base
        self._custom_base = custom_base
        self._is_fixed = is_fixed
        self._macros: Any = _environment().get_template("board.html.j2").module

    def runs(self, rows: Sequence[RunRow]) -> str:
        """Return the page of all runs."""
        aside = self._macros.board(self._base, None, self._macros.runs(self._base, rows), "", self._is_fixed)
        title = "Choose a run" if rows else "Nothing was run here yet"
        return self._document(tree.Page(title=title), Markup(""), aside)

    def run(self, found: RunList, events: str) -> str:
        """Return the page of a run, without a card."""
        page = tree.Page(title=f"{found.run.flow} / {found.run.run}", status=found.run.status)
        body = Markup(
            '<section class="node"><p class="text muted">Choose a task to see its card.</p></section>'
        )
        return self._document(page, body, self._board(found, None, events))

    def card(self, key: CardKey, drawing: Drawing, found: RunList, events: str) -> str:
        """Return the page of a card."""
        parts = _sections(drawing)
        if drawing.custom:
            parts = [Markup(self._macros.frame(self._custom_base, key))]
        if len(drawing.names) > 1:
            parts.insert(0, Markup(self._macros.cards(self._base, key, drawing.names)))
        return self._document(drawing.page, Markup("\n").join(parts), self._board(found, key.task, events))

    def list(self, found: RunList, current: int | None) -> Markup:
        """Return the tasks of a run, for the side of a page."""
        made: Markup = self._macros.tasks(self._base, found, current, MOST_TASKS)
        return made

    def _board(self, found: RunList, current: int | None, events: str) -> Markup:
        made: Markup = self._macros.board(
            self._base, found.run, self.list(found, current), events, self._is_fixed
        )
        return made

    def _document(self, page: tree.Page, body: Markup, aside: Markup) -> str:
        base = escape(self._base)
        head = (
            f'<link rel="icon" href="data:,"><link rel="stylesheet" href="{base}/board.css">'
            f'<script src="{base}/live.js" defer></script>'
        )
        return document(
            page,
            body,
            head=head,
            aside=str(aside),
            policy=policy(is_header=False, has_frames=has_frame(page.nodes)),
        )


def _by_step(tasks: Sequence[TaskRow]) -> list[tuple[str, list[TaskRow]]]:
    """Return tasks by step, the steps in the order in which they began."""
    order = {step: number for number, step in enumerate(dict.fromkeys(task.step for task in tasks))}
    ordered = sorted(tasks, key=lambda task: (order[task.step], task.task))
    return [(step, list(rows)) for step, rows in groupby(ordered, key=lambda task: task.step)]


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: visible(value) if type(value) is str else value,
        auto_reload=False,
    )
    made.filters["groupby_step"] = _by_step
    return made

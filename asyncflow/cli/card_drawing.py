"""A card drawn in the terminal, in the colours and glyphs of the dashboard."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from asyncflow.cli import terminal

if TYPE_CHECKING:
    from asyncflow.cards.terminal import Ink
    from asyncflow.client.cards import Card

__all__ = ["draw"]

_MOST_WIDTH = 160
_THEME = "ASYNCFLOW_THEME"


def draw(card: Card, *, unfolds: bool) -> None:
    """Write a card to stdout as a terminal can show it. Raises StoreError."""
    from asyncflow.cards.terminal import head_of, lines_of  # 80 ms, for those who draw

    page, ink = card.page(), _ink(unfolds=unfolds)
    width = min(terminal.width(), _MOST_WIDTH)
    terminal.out_drawn([*head_of(page, width, ink), *lines_of(page.nodes, width, ink)])


def _ink(*, unfolds: bool) -> Ink:
    from asyncflow.cards.terminal import Ink
    from asyncflow.look import glyphs, palette_named

    palette = palette_named(os.environ.get(_THEME, ""), os.environ.get("COLORFGBG", ""))
    has_colours = terminal.has_colour(sys.stdout)
    return Ink(palette, glyphs(), has_colours=has_colours, unfolds=unfolds, paints_text=False)

"""Cards in a terminal: the same tree as in the browser, as lines of cells in the colours and glyphs of the dashboard.

    ink = Ink(PALETTES["asyncflow-night"], glyphs())
    for line in lines_of(page.nodes, 80, ink): ...      # each line a list of rich Segments

Text from tasks is data: no markup, no escape sequence of it is obeyed. What a terminal cannot draw is named.
"""

from __future__ import annotations

from asyncflow.cards.terminal.ink import Ink
from asyncflow.cards.terminal.lines import Line, Redrawn, head_of, lines_of, text_of

__all__ = ["Ink", "Line", "Redrawn", "head_of", "lines_of", "text_of"]

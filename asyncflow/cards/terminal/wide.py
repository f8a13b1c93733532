"""What is drawn as wide as there is room."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement

__all__ = ["Wide"]


class Wide:
    """Draws itself once it is known how wide it may be.

    Args:
        draw: Called with the width, in cells.
        least: Cells it needs.
        most: Cells it can use; 0: all there are.
    """

    def __init__(self, draw: Callable[[int], RenderableType], *, least: int = 8, most: int = 0) -> None:
        self._draw = draw
        self._least = least
        self._most = most

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width if not self._most else min(self._most, options.max_width)
        yield self._draw(max(1, width))

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        most = options.max_width if not self._most else min(self._most, options.max_width)
        return Measurement(min(self._least, most), most)

"""Numbers on the command line, refused in words of people."""

from __future__ import annotations

import math
from typing import Any

import click

__all__ = ["Amount", "Count"]


class Count(click.IntRange):
    """A whole number in a range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number. Raises click.BadParameter."""
        try:
            int(value)
        except (TypeError, ValueError):
            self.fail(f"{value!r} is no whole number.", param, ctx)
        return int(super().convert(value, param, ctx))


class Amount(click.FloatRange):
    """A number in a range; no NaN."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number. Raises click.BadParameter."""
        try:
            is_number = not math.isnan(float(value))
        except (TypeError, ValueError):
            is_number = False
        if not is_number:
            self.fail(f"{value!r} is no number.", param, ctx)
        return float(super().convert(value, param, ctx))

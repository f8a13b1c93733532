"""Which passages are tried: all of them, or a few of each point for a short run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.crash_points.cases import Point, passages

__all__ = ["SPARE", "chosen_numbers", "spread"]

SPARE = 3
"""Passages beyond those of the run that was counted are tried too: the order of things differs from run to run."""
_FEW = 2
"""Passages of each point in the short form."""


def chosen_numbers(
    directory: Path, points: Sequence[Point], *, is_complete: bool, only: int | None = None
) -> list[tuple[Point, int]]:
    """Return the cases to try: points with passage numbers, counted from 1."""
    if only is not None:
        return [(point, only) for point in points]
    counts = passages(directory)
    chosen: list[tuple[Point, int]] = []
    for position, point in enumerate(points):
        count = counts[point.name, point.when]
        numbers = range(1, count + SPARE + 1) if is_complete else spread(count, _FEW, position)
        chosen += [(point, number) for number in numbers]
    return chosen


def spread(count: int, few: int, shift: int) -> list[int]:
    """Return `few` numbers spread over 1..count, shifted, so that points together try many passages."""
    if count <= few:
        return list(range(1, count + 1))
    stride = count / few
    offset = shift * 0.37 % 1.0
    return sorted({min(count, 1 + int((index + offset) * stride)) for index in range(few)})

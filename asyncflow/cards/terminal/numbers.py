"""Numbers as people read them, and round values along an axis."""

from __future__ import annotations

import math

__all__ = ["number_text", "ticks"]


def number_text(value: float) -> str:
    """Return a number as people read it."""
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e6:
        return f"{int(value):,}"
    return f"{value:.4g}"


def ticks(low: float, high: float, about: int, *, is_whole: bool = False) -> list[float]:
    """Return some `about` round values between two; at least one."""
    span = high - low
    if not math.isfinite(span) or span <= 0:
        return [low]
    power = 10.0 ** math.floor(math.log10(span / max(about, 1)))
    step = next(
        power * factor for factor in (1, 2, 5, 10) if span / (power * factor) <= about or factor == 10
    )
    if is_whole:
        step = max(step, 1.0)
    first = math.ceil(low / step - 1e-9) * step
    count = min(int((high - first) / step + 1e-9) + 1, 2 * about + 2)
    return [float(f"{first + number * step:.12g}") for number in range(max(count, 0))] or [low]

"""A metric as SVG: curves over axes, in the page's own colours."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from asyncflow.cards.html.shown import shown
from asyncflow.cards.tree import Metric, Series

__all__ = ["curves_svg", "number_text"]

_WIDTH, _HEIGHT = 960, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 14, 12, 36
_COLOURS = 8


def curves_svg(metric: Metric) -> Markup:
    """Return the metric's curves; empty if there is no point."""
    series = [one for one in metric.series if one.x and len(one.x) == len(one.y)]
    if not series:
        return Markup("")
    across = _Axis([value for one in series for value in one.x], _LEFT, _WIDTH - _RIGHT)
    up = _Axis([value for one in series for value in one.y], _HEIGHT - _BOTTOM, _TOP, padded=True)
    parts = [_grid(across, up), *(_curve(one, number, across, up) for number, one in enumerate(series))]
    if metric.x_label:
        parts.append(_text(_WIDTH - _RIGHT, _HEIGHT - 4, "end", metric.x_label))
    title = shown(metric.title or "metric")
    return Markup(
        f'<svg class="chart curves" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" '
        f'role="img" aria-label="{title}">{"".join(parts)}</svg>'
    )


def number_text(value: float) -> str:
    """Return a number as people read it."""
    if value == int(value) and abs(value) < 1e6:
        return f"{int(value):,}"
    return f"{value:.4g}"


class _Axis:
    """Maps values to places, and knows round values between."""

    def __init__(self, values: Sequence[float], begin: float, end: float, *, padded: bool = False) -> None:
        low, high = min(values), max(values)
        if low == high:
            low, high = low - (abs(low) or 1.0) * 0.5, high + (abs(high) or 1.0) * 0.5
        if padded:
            pad = (high - low) * 0.06
            low, high = low - pad, high + pad
        if not math.isfinite(high - low):
            low, high = -1e300, 1e300
        self._low, self._high = low, high
        self._is_whole = all(value == int(value) for value in values[:1000] if abs(value) < 1e15)
        """All values are whole: so are the round ones."""
        self._begin, self._end = begin, end

    def at(self, value: float) -> float:
        share = (value - self._low) / (self._high - self._low)
        return round(self._begin + share * (self._end - self._begin), 1)

    def ticks(self, about: int) -> list[float]:
        span = self._high - self._low
        power = 10.0 ** math.floor(math.log10(span / about)) if span > 0 else 1.0
        step = next(
            power * factor for factor in (1, 2, 5, 10) if span / (power * factor) <= about or factor == 10
        )
        if self._is_whole:
            step = max(step, 1.0)
        first = math.ceil(self._low / step) * step
        count = min(int((self._high - first) / step) + 1, 2 * about + 2)
        return [round(first + number * step, 12) for number in range(max(count, 0))]


def _grid(across: _Axis, up: _Axis) -> str:
    parts: list[str] = []
    for value in up.ticks(5):
        y = up.at(value)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(_text(_LEFT - 8, y + 4, "end", number_text(value)))
    foot = _HEIGHT - _BOTTOM + 17
    parts += [_text(across.at(value), foot, "middle", number_text(value)) for value in across.ticks(8)]
    base = _HEIGHT - _BOTTOM
    parts.append(f'<line class="axis" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{base}" y2="{base}"/>')
    return "".join(parts)


def _curve(series: Series, number: int, across: _Axis, up: _Axis) -> str:
    points = " ".join(f"{across.at(x):g},{up.at(y):g}" for x, y in zip(series.x, series.y, strict=True))
    colour = f"c{number % _COLOURS}"
    x, y = across.at(series.x[-1]), up.at(series.y[-1])
    name = shown(f"{series.name or 'value'}: {number_text(series.y[-1])}")
    line = f'<polyline class="curve {colour}" points="{points}"/>' if len(series.x) > 1 else ""
    return f'{line}<circle class="dot {colour}" cx="{x:g}" cy="{y:g}" r="3.5"><title>{name}</title></circle>'


def _text(x: float, y: float, anchor: str, text: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}">{shown(text)}</text>'

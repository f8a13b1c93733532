"""Components that change while a task runs."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from asyncflow.cards import tree
from asyncflow.cards.component import Drawn
from asyncflow.cards.guard import node_of
from asyncflow.cards.limits import METRIC_POINTS, title_of
from asyncflow.cards.preview import cell_text

__all__ = ["EventsTimeline", "Metric", "ProgressBar"]

_MOST_CURVES = 20
_MOST_DETAILS = 30


class ProgressBar(Drawn):
    """How far something is.

    Args:
        max: Where it ends.
        label: What it is.
        value: Where it stands.
        unit: What is counted.
        metadata: A line beside it.
    """

    def __init__(
        self,
        max: float = 100,
        label: str | None = None,
        value: float = 0,
        unit: str | None = None,
        metadata: str | None = None,
    ) -> None:
        self._max = max
        self._label = label
        self._unit = unit
        self._now = (value, metadata)

    def update(self, new_value: float, metadata: str | None = None) -> None:
        """Say where it stands now; `metadata` None: that line stays."""
        self._now = (new_value, self._now[1] if metadata is None else metadata)

    def draw(self, depth: int = 0) -> tree.Progress:
        value, metadata = self._now
        return tree.Progress(
            label=title_of(self._label),
            value=_finite(value),
            max=_finite(self._max),
            unit=title_of(self._unit),
            details=title_of(metadata),
        )


class Metric(Drawn):
    """Values as they are reported, drawn as curves. Memory stays bounded, however many are reported.

    Args:
        title: What is measured.
        unit: Of the values.
        x: What is counted on the other axis, such as `epoch`.
    """

    def __init__(self, title: str | None = None, *, unit: str | None = None, x: str | None = None) -> None:
        self._title = title
        self._unit = unit
        self._x = x
        self._curves: dict[str, _Curve] = {}

    def add(self, value: float, x: float | None = None, *, series: str = "") -> None:
        """Add a value to a curve. `x` None: one further than the last."""
        curve = self._curves.get(series)
        if curve is None:
            if len(self._curves) >= _MOST_CURVES:
                return
            curve = self._curves[series] = _Curve()
        curve.add(float(value), None if x is None else float(x))

    def report(self, x: float | None = None, **values: float) -> None:
        """Add a value to each of several curves: `report(epoch, loss=0.3, accuracy=0.9)`."""
        for name, value in values.items():
            self.add(value, x, series=name)

    def update(self, value: float, x: float | None = None) -> None:
        """Add a value, as `add` does."""
        self.add(value, x)

    def draw(self, depth: int = 0) -> tree.Metric:
        return tree.Metric(
            title=title_of(self._title),
            unit=title_of(self._unit),
            x_label=title_of(self._x),
            series=tuple(curve.drawn(title_of(name)) for name, curve in tuple(self._curves.items())),
        )


class _Curve:
    """Points in order. When they are too many, of each two, four, eight ... neighbours the least and largest stay."""

    def __init__(self) -> None:
        self._buckets: list[_Bucket] = []
        self._stride = 1
        """How many points a bucket takes."""
        self._count = 0
        self._last: tuple[float, float] | None = None
        self._next = 0.0

    def add(self, value: float, x: float | None) -> None:
        if x is None or not math.isfinite(x):
            x = self._next
        self._next = x + 1
        if not math.isfinite(value):
            return
        point = self._last = (x, value)
        if self._count % self._stride == 0:
            self._buckets.append((point, point))
        else:
            self._buckets[-1] = _merged(self._buckets[-1], (point, point))
        self._count += 1
        if len(self._buckets) > METRIC_POINTS // 2:
            pairs = zip(self._buckets[::2], self._buckets[1::2], strict=False)
            odd = self._buckets[-1:] if len(self._buckets) % 2 else []
            self._buckets = [*(_merged(first, second) for first, second in pairs), *odd]
            self._stride *= 2
            self._count = len(self._buckets) * self._stride - (self._stride // 2 if odd else 0)

    def drawn(self, name: str) -> tree.Series:
        points: list[tuple[float, float]] = []
        for least, largest in tuple(self._buckets):
            points += [least] if least == largest else sorted((least, largest))
        if self._last is not None and (not points or points[-1] != self._last):
            points.append(self._last)
        return tree.Series(name=name, x=tuple(x for x, _ in points), y=tuple(y for _, y in points))


_Bucket = tuple[tuple[float, float], tuple[float, float]]
"""The point with the least value of some neighbours, and that with the largest."""


def _merged(first: _Bucket, second: _Bucket) -> _Bucket:
    return (
        min(first[0], second[0], key=lambda point: point[1]),
        max(first[1], second[1], key=lambda point: point[1]),
    )


class EventsTimeline(Drawn):
    """Events as they happen, newest first.

    Args:
        title: None: none.
        max_events: How many are kept; older ones are dropped.
    """

    def __init__(self, title: str | None = None, max_events: int = 100) -> None:
        self._title = title
        self._events: deque[tree.Event] = deque(maxlen=max(1, min(int(max_events), 1_000)))
        self._count = 0
        self._first_at = 0.0
        self._last_at = 0.0
        self._is_finished = False
        self._themes: Counter[str] = Counter()

    def update(
        self,
        event_data: Mapping[str, Any],
        style_theme: str | None = None,
        priority: str | None = None,
        payloads: Mapping[str, Any] | None = None,
        finished: bool | None = None,
    ) -> None:
        """Add an event.

        Args:
            event_data: What to tell of it, by name; `timestamp` (seconds since the epoch, a datetime, or ISO text) is
                when it happened, else that is now; `title`, `event` or `type` is its title.
            style_theme: `default`, `success`, `warning`, `error`, `info`, `primary`, `secondary`, `tool_call`,
                `ai_response`.
            priority: `low`, `normal`, `high` or `critical`.
            payloads: Components that belong to it, by name.
            finished: Whether this is the last one.
        """
        data = dict(event_data)
        at = _moment(data.pop("timestamp", None))
        key = next((name for name in ("title", "event", "event_type", "type", "name") if name in data), None)
        title = title_of(data.pop(key)) if key else "Event"
        details = tuple(
            (title_of(name), cell_text(value)) for name, value in list(data.items())[:_MOST_DETAILS]
        )
        nodes = tuple(
            tree.Section(title=title_of(name), nodes=(node_of(one, 2),))
            for name, one in (payloads or {}).items()
        )
        self._note(at, style_theme or "default", finished=finished)
        self._events.append(
            tree.Event(
                at=at,
                title=title,
                details=details,
                theme="" if style_theme in (None, "default") else title_of(style_theme),
                priority="" if priority in (None, "normal") else title_of(priority),
                nodes=nodes[:_MOST_DETAILS],
            )
        )

    def get_stats(self) -> dict[str, Any]:
        """Return how many events there were, and when."""
        return {
            "total_events": self._count,
            "displayed_events": len(self._events),
            "first_event": self._first_at or None,
            "last_update": self._last_at or None,
            "total_runtime_seconds": self._last_at - self._first_at,
            "finished": self._is_finished,
            "themes": dict(self._themes),
        }

    def draw(self, depth: int = 0) -> tree.Timeline:
        events = tuple(self._events.copy())
        stats = [("events", f"{self._count:,}")]
        if self._count > 1:
            stats.append(("seconds", f"{self._last_at - self._first_at:,.1f}"))
        dropped = self._count - len(events)
        return tree.Timeline(
            title=title_of(self._title),
            events=events[::-1],
            stats=tuple(stats),
            is_finished=self._is_finished,
            note=f"Cut: the newest {len(events):,} of {self._count:,} events are shown." if dropped else "",
        )

    def _note(self, at: float, theme: str, *, finished: bool | None) -> None:
        self._count += 1
        self._first_at = self._first_at or at
        self._last_at = at
        self._themes[theme] += 1
        if finished is not None:
            self._is_finished = bool(finished)


def _moment(value: object) -> float:
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value).timestamp()
        except ValueError:
            return _now()
    return _finite(value) if isinstance(value, int | float) else _now()


def _now() -> float:
    import time

    return time.time()


def _finite(value: Any) -> float:
    number = float(value)
    return number if math.isfinite(number) else 0.0

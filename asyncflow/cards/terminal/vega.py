"""What a Vega-Lite chart shows, as series of points: as much of the language as a terminal can draw.

Lines, areas, points, bars, ticks, histograms, heat maps and pies, with data in the specification, alone or in layers.
What is beyond (transforms, facets, maps, Vega itself) is refused with a reason, never drawn wrong.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from asyncflow.records import record

__all__ = ["CannotDraw", "Drawing", "Points", "drawings_of"]

_MARKS = {
    "line": "line", "trail": "line", "area": "area", "point": "point", "circle": "point", "square": "point",
    "bar": "bar", "tick": "point", "rect": "heat", "arc": "bar", "rule": "skip", "text": "skip",
}  # fmt: skip
_COMPOSED = ("facet", "repeat", "spec")
_TRANSFORMED = object()
"""In place of data that would have to be transformed."""
_BINS = 12
_MOST_SERIES = 8
_MOST_ROWS = 20_000
_AGGREGATES: Mapping[str, Callable[[list[float]], float]] = {
    "sum": math.fsum,
    "mean": lambda values: math.fsum(values) / len(values),
    "average": lambda values: math.fsum(values) / len(values),
    "median": lambda values: sorted(values)[len(values) // 2],
    "min": min,
    "max": max,
    "count": lambda values: float(len(values)),
}


class CannotDraw(Exception):
    """The chart has something that a terminal cannot draw; the text says what."""


@record
class Points:
    """One series."""

    name: str
    kind: str
    """`line`, `area`, `point`, `bar` or `heat`."""
    x: tuple[float, ...]
    """Places; of names the number of the name."""
    y: tuple[float, ...]
    value: tuple[float, ...] = ()
    """Of a heat map: how hot."""


@record
class Drawing:
    """One chart."""

    title: str = ""
    x_title: str = ""
    y_title: str = ""
    x_names: tuple[str, ...] = ()
    """Of an axis of names, in the order of their places; empty: of numbers."""
    y_names: tuple[str, ...] = ()
    is_x_time: bool = False
    """`x` are seconds since the epoch."""
    series: tuple[Points, ...] = ()
    left_out: str = ""
    """What of the chart is not drawn."""


def drawings_of(spec: str) -> list[Drawing]:
    """Return the charts of a specification.

    Raises:
        CannotDraw: It has something that a terminal cannot draw.
    """
    try:
        data = json.loads(spec)
    except (ValueError, RecursionError) as error:
        raise CannotDraw("the chart's description is no JSON") from error
    if not isinstance(data, dict):
        raise CannotDraw("the chart's description is no JSON object")
    if "vega-lite" not in str(data.get("$schema", "vega-lite")):
        raise CannotDraw("it is written in Vega, not in Vega-Lite")
    return list(_charts(data, data.get("datasets") or {}))


def _charts(spec: Mapping[str, Any], datasets: Any, depth: int = 0) -> Iterator[Drawing]:
    for key in ("hconcat", "vconcat", "concat"):
        if isinstance(spec.get(key), list) and depth < 4:
            for part in spec[key]:
                if isinstance(part, dict):
                    yield from _charts({"data": spec.get("data"), **part}, datasets, depth + 1)
            return
    for key in _COMPOSED:
        if key in spec:
            raise CannotDraw(f"it has '{key}'")
    yield _chart(spec, datasets)


def _chart(spec: Mapping[str, Any], datasets: Any) -> Drawing:
    layers = list(_layers(spec, spec.get("data"), spec.get("encoding") or {}, 0))
    maker = _Maker(datasets)
    for layer in layers:
        maker.add(*layer)
    if not maker.series:
        raise CannotDraw(maker.left_out[0] if maker.left_out else "it has no mark")
    return Drawing(
        title=_text(spec.get("title")),
        x_title=maker.titles["x"],
        y_title=maker.titles["y"],
        x_names=tuple(maker.names["x"]),
        y_names=tuple(maker.names["y"]),
        is_x_time=maker.is_x_time,
        series=tuple(maker.series),
        left_out=", ".join(dict.fromkeys(maker.left_out)),
    )


def _layers(
    spec: Mapping[str, Any], data: Any, encoding: Any, depth: int, *, is_transformed: bool = False
) -> Iterator[tuple[str, Any, Any]]:
    """Yield mark, data and encoding of each layer."""
    is_transformed = is_transformed or bool(spec.get("transform"))
    data = spec.get("data") or data
    own = spec.get("encoding")
    encoding = {**encoding, **(own if isinstance(own, dict) and depth else {})}
    if isinstance(spec.get("layer"), list) and depth < 6:
        for layer in spec["layer"]:
            if isinstance(layer, dict):
                yield from _layers(layer, data, encoding, depth + 1, is_transformed=is_transformed)
        return
    mark = spec.get("mark")
    name = str(mark.get("type") if isinstance(mark, dict) else mark or "")
    yield name, _TRANSFORMED if is_transformed else data, encoding


def _rows(data: Any, datasets: Any) -> list[Mapping[str, Any]]:
    if data is _TRANSFORMED:
        raise CannotDraw("it transforms its data")
    if not isinstance(data, dict):
        raise CannotDraw("it has no data")
    values = data.get("values")
    if values is None and isinstance(datasets, dict):
        values = datasets.get(data.get("name"))
    if isinstance(values, list):
        return [row if isinstance(row, dict) else {"data": row} for row in values[:_MOST_ROWS]]
    raise CannotDraw(
        "its data lie at an address, which is not loaded" if "url" in data else "it has no data in it"
    )


class _Maker:
    """Collects the series of one chart's layers, on axes that they share."""

    def __init__(self, datasets: Any) -> None:
        self._datasets = datasets
        self.series: list[Points] = []
        self.names: dict[str, dict[str, int]] = {"x": {}, "y": {}}
        self.titles = {"x": "", "y": ""}
        self.is_x_time = False
        self.left_out: list[str] = []

    def add(self, mark: str, data: Any, encoding: Any) -> None:
        kind = _MARKS.get(mark)
        if mark == "text" and any(one.kind == "heat" for one in self.series):
            return  # the numbers are in its cells
        if kind is None or kind == "skip":
            self.left_out.append(f"the mark '{mark}'" if mark else "a layer without a mark")
            return
        channels = {name: value for name, value in encoding.items() if isinstance(value, dict)}
        if mark == "arc":
            channels["x"], channels["y"] = channels.get("color") or {}, channels.get("theta") or {}
            channels.pop("color", None)
        elif kind == "bar" and _is_across(channels):
            channels["x"], channels["y"] = channels["y"], channels.get("x") or {}
        if "row" in channels or "column" in channels or "facet" in channels:
            raise CannotDraw("it has facets")
        for axis in ("x", "y"):
            channel = channels.get(axis) or {}
            self.titles[axis] = self.titles[axis] or _text(channel.get("title")) or _field(channel)
        rows = _rows(data, self._datasets)
        if kind == "heat":
            self._heat(rows, channels)
        else:
            self._plain(kind, rows, channels)

    def _plain(self, kind: str, rows: list[Mapping[str, Any]], channels: Mapping[str, Any]) -> None:
        x, y = channels.get("x") or {}, channels.get("y") or {}
        group = _field(channels.get("color") or channels.get("detail") or {})
        found: dict[str, list[tuple[float, float]]] = {}
        bins = _bins(rows, _field(x)) if x.get("bin") else None
        for row in rows:
            name = _word(row.get(group)) if group else ""
            if name not in found and len(found) >= _MOST_SERIES:
                self.left_out.append(f"all but {_MOST_SERIES} series")
                continue
            at = bins(row.get(_field(x))) if bins else self._place("x", x, row)
            value = 1.0 if _is_count(y) else self._place("y", y, row)
            if at is not None and value is not None:
                found.setdefault(name, []).append((at, value))
        operation = "count" if _is_count(y) else y.get("aggregate")
        for name, points in found.items():
            shown = _aggregated(points, operation) if operation else points
            shown = sorted(shown) if kind in ("line", "area") else shown
            self.series.append(
                Points(
                    name=name, kind=kind, x=tuple(at for at, _ in shown), y=tuple(value for _, value in shown)
                )
            )

    def _heat(self, rows: list[Mapping[str, Any]], channels: Mapping[str, Any]) -> None:
        x, y, colour = (channels.get(name) or {} for name in ("x", "y", "color"))
        if any(channel.get("bin") or channel.get("aggregate") for channel in (x, y, colour)):
            raise CannotDraw("its cells are summed up")
        cells = [
            (
                self._named("x", row.get(_field(x))),
                self._named("y", row.get(_field(y))),
                _number(row.get(_field(colour))),
            )
            for row in rows
        ]
        known = [(at, up, value) for at, up, value in cells if value is not None]
        self.series.append(
            Points(
                name=_text(colour.get("title")) or _field(colour),
                kind="heat",
                x=tuple(at for at, _, _ in known),
                y=tuple(up for _, up, _ in known),
                value=tuple(value for _, _, value in known),
            )
        )

    def _place(self, axis: str, channel: Mapping[str, Any], row: Mapping[str, Any]) -> float | None:
        """Return where a row stands along an axis; None: nowhere."""
        if "datum" in channel or "value" in channel:
            return _number(channel.get("datum", channel.get("value")))
        value, kind = row.get(_field(channel)), channel.get("type")
        if kind == "temporal" or channel.get("timeUnit"):
            self.is_x_time = self.is_x_time or axis == "x"
            return _time(value)
        number = _number(value)
        if kind == "quantitative" or (kind is None and number is not None and not self.names[axis]):
            return number
        return None if value is None else self._named(axis, value)

    def _named(self, axis: str, value: Any) -> float:
        names = self.names[axis]
        return float(names.setdefault(_word(value), len(names)))


def _aggregated(points: list[tuple[float, float]], operation: Any) -> list[tuple[float, float]]:
    aggregate = _AGGREGATES.get(str(operation))
    if aggregate is None:
        raise CannotDraw(f"it sums up by '{operation}'")
    groups: dict[float, list[float]] = {}
    for at, value in points:
        groups.setdefault(at, []).append(value)
    return [(at, aggregate(values)) for at, values in groups.items()]


def _bins(rows: list[Mapping[str, Any]], field: str) -> Callable[[Any], float | None]:
    """Return what puts a value into the middle of its bin."""
    values = [number for row in rows if (number := _number(row.get(field))) is not None]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    step = (high - low) / _BINS or 1.0

    def place(value: Any) -> float | None:
        number = _number(value)
        if number is None:
            return None
        return low + (min(int((number - low) / step), _BINS - 1) + 0.5) * step

    return place


def _is_count(channel: Mapping[str, Any]) -> bool:
    return channel.get("aggregate") == "count"


def _is_across(channels: Mapping[str, Any]) -> bool:
    """Tell whether bars go from left to right: names stand along y."""
    x, y = channels.get("x") or {}, channels.get("y") or {}
    is_named = y.get("type") in ("nominal", "ordinal") or bool(y.get("bin"))
    return is_named and x.get("type") not in ("nominal", "ordinal") and not x.get("bin")


def _field(channel: Any) -> str:
    field = channel.get("field") if isinstance(channel, dict) else ""
    return field.replace("\\", "") if isinstance(field, str) else ""


def _text(value: Any) -> str:
    if isinstance(value, dict):
        value = value.get("text")
    if isinstance(value, list):
        value = " ".join(map(str, value))
    return value if isinstance(value, str) else ""


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)[:200]


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _time(value: Any) -> float | None:
    """Return a moment as seconds; Vega has it as milliseconds or as text."""
    number = _number(value)
    if number is not None:
        return number / 1000
    try:
        return datetime.fromisoformat(str(value)).timestamp()
    except (ValueError, OverflowError, OSError):
        return None

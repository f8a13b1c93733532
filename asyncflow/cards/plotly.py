"""Figures of Plotly as charts, pictures or, where neither can be, their data."""

from __future__ import annotations

import json
from typing import Any

from asyncflow.cards import tree
from asyncflow.cards.limits import title_of
from asyncflow.cards.plain import json_text

__all__ = ["node_of_plotly"]

_MOST_POINTS = 5_000


def node_of_plotly(figure: Any) -> tree.Node:  # Any: plotly.graph_objects.Figure
    """Return a chart if its traces are lines, points or bars; else a picture by Kaleido; else its data."""
    told: dict[str, Any] = json.loads(figure.to_json())  # Any: JSON-like
    spec = _spec(told)
    if spec is not None:
        return tree.Chart(spec=json.dumps(spec, allow_nan=False), title=_title(told))
    try:
        from asyncflow.cards.pictures import image_of_bytes

        return image_of_bytes(figure.to_image(format="png", scale=2))
    except Exception as error:  # noqa: BLE001 - Kaleido is missing, or the browser that it needs
        text, _ = json_text({"data": told.get("data"), "layout": {"title": _title(told)}}, 50_000)
        why = type(error).__name__
        return tree.Json(
            text=text,
            title=_title(told) or "Plotly figure",
            is_folded=True,
            note=f"The figure could not be drawn ({why}): install kaleido, and a browser for it. Its data is shown.",
        )


def _spec(told: dict[str, Any]) -> dict[str, Any] | None:
    """Return the figure as Vega-Lite; None if it has more than lines, points and bars."""
    layers: list[dict[str, Any]] = []
    for number, trace in enumerate(told.get("data") or []):
        layer = _layer(trace, number)
        if layer is None:
            return None
        layers.append(layer)
    if not layers:
        return None
    layout = told.get("layout") or {}
    for layer in layers:
        for axis in ("x", "y"):
            layer["encoding"][axis]["title"] = _text((layout.get(f"{axis}axis") or {}).get("title")) or None
    spec: dict[str, Any] = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "width": 560,
        "height": 300,
        "layer": layers,
    }
    return spec


def _layer(trace: dict[str, Any], number: int) -> dict[str, Any] | None:
    kind, x, y = trace.get("type", "scatter"), trace.get("x"), trace.get("y")
    if kind not in ("scatter", "bar", "scattergl") or not isinstance(y, list):
        return None
    xs = x if isinstance(x, list) else list(range(len(y)))
    name = title_of(trace.get("name") or f"trace {number}")
    rows = [
        {"x": at, "y": value, "trace": name} for at, value in zip(xs, y, strict=False) if value is not None
    ][:_MOST_POINTS]
    if kind == "bar":
        mark: Any = "bar"
    else:
        mode = str(trace.get("mode") or "lines")
        mark = {"type": "line", "point": "markers" in mode} if "lines" in mode else "point"
    x_type = "quantitative" if all(isinstance(at, int | float) for at in xs) else "nominal"
    return {
        "mark": mark,
        "data": {"values": rows},
        "encoding": {
            "x": {"field": "x", "type": x_type, "sort": None},
            "y": {"field": "y", "type": "quantitative"},
            "color": {"field": "trace", "type": "nominal", "title": None},
        },
    }


def _title(told: dict[str, Any]) -> str:
    return title_of(_text((told.get("layout") or {}).get("title")))


def _text(title: object) -> str:
    if isinstance(title, dict):
        title = title.get("text")
    return title if isinstance(title, str) else ""

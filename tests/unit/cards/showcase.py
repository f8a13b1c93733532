"""Every component once, the same each time: what pictures of the terminal and of the browser show."""

from __future__ import annotations

import json
import math
import struct
import zlib
from typing import Any

from asyncflow.cards import tree

__all__ = ["ALL", "PICTURE"]


def _png(side: int) -> bytes:
    """Return a picture: a bright disc on a ground that goes from blue to green."""
    rows = b""
    for y in range(side):
        rows += b"\0"
        for x in range(side):
            is_in = (x - side / 2) ** 2 + (y - side / 2) ** 2 < (side / 3) ** 2
            rows += bytes((250, 200, 60) if is_in else (30, 255 * y // side, 255 * x // side))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


PICTURE = _png(48)
"""A PNG."""

_WORDS = """# A report on *digits*

What was learnt, in **bold**, with `code` and [an address](https://example.org/page). <b>Not bold</b>.

- the first thing
- the second, which has more words than fit on one line of a narrow terminal

| model | score |
|---|---|
| forest | 0.97 |

> Said by somebody.

```python
print("done")
```
"""


def _waves(names: tuple[str, ...]) -> tuple[tree.Series, ...]:
    xs = tuple(float(x) for x in range(50))
    return tuple(
        tree.Series(name=name, x=xs, y=tuple(math.exp(-x / (12 + 8 * number)) + 0.05 * number for x in xs))
        for number, name in enumerate(names)
    )


def _vega(mark: str, rows: list[dict[str, Any]], **channels: Any) -> tree.Chart:
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "data": {"values": rows},
        "mark": mark,
        "encoding": channels,
    }
    return tree.Chart(spec=json.dumps(spec), title=f"A chart: {mark}")


_X = {"field": "x", "type": "quantitative"}
_Y = {"field": "y", "type": "quantitative"}
_STEPS = (
    tree.DagStep(name="start", kind="split-foreach", next=("train",), status="succeeded"),
    tree.DagStep(name="train", next=("choose",), status="running"),
    tree.DagStep(name="choose", kind="join", next=("end",)),
    tree.DagStep(name="end", kind="end"),
)
_FRUIT = [
    {"x": "apples", "y": 3, "s": "2025"},
    {"x": "pears", "y": 7.5, "s": "2025"},
    {"x": "plums", "y": 1, "s": "2026"},
]

ALL: dict[str, tree.Node] = {
    "text": tree.Text(
        text="Words as they are, [bold]not bold[/bold].\nOn two lines.", note="Cut: 2 of 3 lines are shown."
    ),
    "markdown": tree.Markdown(text=_WORDS),
    "table": tree.Table(
        title="Scores",
        headers=("model", "accuracy", "seconds", "what"),
        rows=(
            ("nearest neighbours", "98.33 %", "0.02", "k = 3"),
            ("forest", "97.11 %", "1.40", "100 trees, each as deep as it likes"),
            ("logistic", "96.20 %", "0.31", ""),
        ),
        align="lrrl",
        total_rows=3,
    ),
    "nested": tree.Table(
        headers=("model", "how far", "loss"),
        rows=(
            ("forest", tree.Progress(label="trees", value=40, max=100), tree.Metric(series=_waves(("",)))),
            ("net", tree.Progress(label="epochs", value=9, max=10), tree.Markdown(text="**diverged**")),
        ),
    ),
    "wide-table": tree.Table(
        headers=tuple(f"column {number}" for number in range(20)),
        rows=tuple(tuple(f"{row * number}" for number in range(20)) for row in range(4)),
        align="r" * 20,
    ),
    "image": tree.Image(data=PICTURE, width=48, height=48, label="A disc"),
    "progress": tree.Section(
        nodes=(
            tree.Progress(label="training", value=42, max=100, unit="epochs", details="3 min left"),
            tree.Progress(label="done", value=10, max=10),
            tree.Progress(label="no end known", value=7, max=0),
        )
    ),
    "values": tree.Section(
        columns=3,
        nodes=(
            tree.Value(
                title="accuracy",
                value="97.11 %",
                subtitle="on unseen digits",
                theme="success",
                change="+1.2 %",
            ),
            tree.Value(title="misread", value="13", theme="danger"),
            tree.Value(title="models", value="4"),
        ),
    ),
    "code": tree.Code(
        code="def fit(model, rate=0.1):\n    # as it was\n    return model.fit('x', rate)\n", first_line=12
    ),
    "json": tree.Json(title="Settings", text='{\n  "rate": 0.1,\n  "layers": [64, 10],\n  "name": null\n}'),
    "yaml": tree.Json(syntax="yaml", yaml="rate: 0.1\nlayers:\n  - 64\n  - 10"),
    "error": tree.Error(
        title="ValueError",
        message="the rate is negative",
        traceback='  File "flow.py", line 3, in fit\nValueError: ...',
    ),
    "log": tree.Log(title="Log", text="round 1: loss 0.7\nround 2: loss 0.4"),
    "metric": tree.Metric(title="loss", series=_waves(("train", "test")), unit="nats", x_label="epoch"),
    "line": _vega(
        "line",
        [
            {"x": x, "y": math.sin(x / 6 + phase), "s": name}
            for name, phase in (("a", 0), ("b", 1.5))
            for x in range(60)
        ],
        x=_X,
        y=_Y,
        color={"field": "s"},
    ),
    "points": _vega("point", [{"x": (7 * n) % 31, "y": (n * n) % 17} for n in range(60)], x=_X, y=_Y),
    "bars": _vega("bar", _FRUIT, x={"field": "x", "type": "nominal"}, y=_Y, color={"field": "s"}),
    "histogram": _vega(
        "bar",
        [{"x": math.sin(n) + math.sin(n * 1.7)} for n in range(300)],
        x={**_X, "bin": True},
        y={"aggregate": "count"},
    ),
    "heat": _vega(
        "rect",
        [{"x": a, "y": b, "n": 40 - 3 * a if a == b else (a * b) % 4} for a in range(10) for b in range(10)],
        x={"field": "x", "type": "ordinal"},
        y={"field": "y", "type": "ordinal"},
        color={"field": "n", "type": "quantitative"},
    ),
    "refused": _vega("geoshape", [{"x": 1}], x=_X),
    "artifact": tree.Artifact(
        name="scores",
        type="builtins.dict",
        size_bytes=2_300,
        preview=tree.Json(text='{\n  "forest": 0.97\n}'),
    ),
    "timeline": tree.Timeline(
        title="What happened",
        stats=(("events", "2"),),
        events=(
            tree.Event(
                at=1_760_000_060.0, title="gave up", theme="error", priority="high", details=(("tries", "3"),)
            ),
            tree.Event(at=1_760_000_000.0, title="began", nodes=(tree.Text(text="with 3 workers"),)),
        ),
        is_finished=True,
    ),
    "dag": tree.Dag(steps=_STEPS, current="train"),
    "facts": tree.Facts(
        title="Task", rows=(("ran on", "a machine"), ("used", "3.1s of processor, 120.0 MB"))
    ),
    "section": tree.Section(
        title="Chapter",
        nodes=(
            tree.Text(text="inside"),
            tree.Section(title="Inherited artifacts", is_open=False, nodes=(tree.Text(text="hidden"),)),
        ),
    ),
    "html": tree.Html(html="<p>of a custom card</p>"),
}
"""By the name of its pictures."""

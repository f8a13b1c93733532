"""What users put on a card becomes nodes; whatever is wrong with it becomes an error on the card."""

from __future__ import annotations

import struct
import zlib
from datetime import UTC, datetime
from typing import Any

import pytest

from asyncflow.cards import (
    Artifact,
    Component,
    Error,
    EventsTimeline,
    Image,
    JSONViewer,
    Log,
    Markdown,
    Metric,
    Plot,
    ProgressBar,
    PythonCode,
    Row,
    Section,
    Table,
    ValueBox,
    VegaChart,
    YAMLViewer,
    tree,
)
from asyncflow.cards.guard import node_of, nodes_of
from asyncflow.cards.limits import METRIC_POINTS, NODES


def png(width: int = 2, height: int = 3) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + b"\x7f\x7f\x7f" * width for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def add_two(number: int) -> int:
    """Adds two."""
    return number + 2


def test_words_and_values() -> None:
    assert node_of(Markdown("# Hi")) == tree.Markdown(text="# Hi")
    assert node_of("plain") == tree.Text(text="plain")
    box = ValueBox("accuracy", 0.98765432, "held out", theme="success", change_indicator="+1 %")
    assert node_of(box) == tree.Value(
        title="accuracy", value="0.987654", subtitle="held out", theme="success", change="+1 %"
    )
    box.update(value=1)
    assert node_of(box) == tree.Value(
        title="accuracy", value="1", subtitle="held out", theme="success", change="+1 %"
    )
    assert node_of(ProgressBar(10, "fit", 3, "epochs", "soon")) == tree.Progress(
        label="fit", value=3.0, max=10.0, unit="epochs", details="soon"
    )


def test_code_is_the_source_of_a_function_or_a_text() -> None:
    drawn = node_of(PythonCode(add_two))
    assert isinstance(drawn, tree.Code)
    assert drawn.code.startswith("def add_two(number: int)")
    assert node_of(PythonCode(code_string="x = 1")) == tree.Code(code="x = 1")


def test_a_table_has_texts_numbers_to_the_right_and_components_in_cells() -> None:
    table = Table([["SVC", 0.5, Markdown("*m*")], ("tree", 12, None)], headers=["model", "score", "more"])

    assert node_of(table) == tree.Table(
        headers=("model", "score", "more"),
        rows=(("SVC", "0.5", tree.Markdown(text="*m*")), ("tree", "12", "")),
        align="lrl",
        total_rows=2,
    )
    table.update([[1]], headers=["n"])
    assert node_of(table) == tree.Table(headers=("n",), rows=(("1",),), align="r", total_rows=1)


def test_a_table_shows_what_its_data_are_when_it_is_drawn_unless_told_not_to() -> None:
    data = [[1]]
    live, fixed = Table(data), Table(data, disable_updates=True)
    data.append([2])

    assert len(node_of(live).rows) == 2  # pyright: ignore[reportAttributeAccessIssue]
    assert len(node_of(fixed).rows) == 1  # pyright: ignore[reportAttributeAccessIssue]


def test_a_data_frame_is_a_table_of_its_first_rows() -> None:
    import pandas

    frame = pandas.DataFrame({"name": ["a"] * 150, "x": [1.25] * 150})

    short, long = node_of(Table.from_dataframe(frame)), node_of(Table.from_dataframe(frame, truncate=False))

    assert isinstance(short, tree.Table)
    assert isinstance(long, tree.Table)
    assert (short.headers, short.align, short.rows[0]) == (("name", "x"), "lr", ("a", "1.25"))
    assert (len(short.rows), short.note) == (100, "Cut: 100 of 150 rows are shown.")
    assert (len(long.rows), long.note) == (150, "")


def test_pictures_of_bytes_of_pil_and_of_matplotlib() -> None:
    import matplotlib as mpl
    from PIL import Image as Pil

    mpl.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots()
    axes.plot([1, 2])
    pictures = [
        Image(png(), "two by three"),
        Image.from_pil_image(Pil.new("RGB", (4, 5)), "grey"),
        Image.from_matplotlib(figure),
        Plot(axes, "axes"),
        Image(figure),
    ]
    pyplot.close(figure)

    drawn = [node_of(picture) for picture in pictures]

    assert all(isinstance(node, tree.Image) and node.data.startswith(b"\x89PNG") for node in drawn), drawn
    assert [(node.width, node.height, node.label) for node in drawn[:2]] == [  # pyright: ignore[reportAttributeAccessIssue]
        (2, 3, "two by three"),
        (4, 5, "grey"),
    ]
    assert drawn[3].label == "axes"  # pyright: ignore[reportAttributeAccessIssue]


def test_charts_of_specifications_altair_and_plotly() -> None:
    import altair
    import plotly.graph_objects as plotly

    chart = altair.Chart(altair.Data(values=[{"a": 1, "b": 2}])).mark_bar().encode(x="a:Q", y="b:Q")
    figure = plotly.Figure([plotly.Scatter(x=[1, 2], y=[3, 4], name="curve"), plotly.Bar(x=["p"], y=[1])])
    figure.update_layout(title="Two traces", xaxis_title="time")

    drawn = [
        node_of(VegaChart({"mark": "bar"}, show_controls=True)),
        node_of(VegaChart.from_altair_chart(chart)),
        node_of(Plot(chart)),
        node_of(Plot(figure)),
    ]

    assert all(isinstance(node, tree.Chart) and node.spec and not node.note for node in drawn), drawn
    assert '"mark":"bar"' in drawn[0].spec
    assert drawn[0].shows_controls
    assert drawn[3].title == "Two traces"
    assert '"title": "time"' in drawn[3].spec


def test_a_figure_of_plotly_that_no_chart_can_say_shows_its_data() -> None:
    import plotly.graph_objects as plotly

    drawn = node_of(Plot(plotly.Figure([plotly.Pie(labels=["a", "b"], values=[1, 2])])))

    if isinstance(drawn, tree.Json):  # without Kaleido, or a browser that it can use
        assert "could not be drawn" in drawn.note
        assert '"labels"' in drawn.text
    else:
        assert isinstance(drawn, tree.Image)
        assert drawn.data


def test_a_metric_keeps_its_extremes_and_its_memory_bounded() -> None:
    metric = Metric("loss", x="step")
    for number in range(20_000):
        metric.report(number, loss=1000.0 if number == 777 else number % 7, other=float("nan"))

    drawn = node_of(metric)

    assert isinstance(drawn, tree.Metric)
    curve, nothing = drawn.series
    assert (curve.name, nothing.y) == ("loss", ())
    assert METRIC_POINTS // 4 < len(curve.x) <= METRIC_POINTS + 1
    assert (777.0, 1000.0) in zip(curve.x, curve.y, strict=True)
    assert curve.x[-1] == 19_999.0
    assert list(curve.x) == sorted(curve.x)
    gaps = [after - before for before, after in zip(curve.x, curve.x[1:], strict=False)]
    assert max(gaps) < 500, "no part of the curve is thinned out more than another"


def test_a_timeline_has_the_newest_first_and_forgets_the_oldest() -> None:
    timeline = EventsTimeline("agent", max_events=2)
    for number in range(3):
        timeline.update({"event": f"e{number}", "timestamp": 100 + number, "cost": 1.5}, style_theme="info")
    timeline.update(
        {"title": "done", "timestamp": datetime(2026, 1, 1, tzinfo=UTC)},
        payloads={"answer": Markdown("42")},
        priority="high",
        finished=True,
    )

    drawn = node_of(timeline)

    assert isinstance(drawn, tree.Timeline)
    assert [event.title for event in drawn.events] == ["done", "e2"]
    assert drawn.events[0].nodes == (tree.Section(title="answer", nodes=(tree.Markdown(text="42"),)),)
    assert drawn.events[1].details == (("cost", "1.5"),)
    assert (drawn.is_finished, drawn.note) == (True, "Cut: the newest 2 of 4 events are shown.")
    assert timeline.get_stats()["total_events"] == 4


def test_viewers_show_nested_values() -> None:
    data = {"a": [1, None, {"b": "x: y"}], "ok": True}

    assert '"b": "x: y"' in node_of(JSONViewer(data, title="t")).text  # pyright: ignore[reportAttributeAccessIssue]
    yaml = node_of(YAMLViewer(data, max_height="400px"))
    assert isinstance(yaml, tree.Json)
    assert yaml.yaml == 'a:\n  - 1\n  - null\n  -\n    b: "x: y"\nok: true'
    assert yaml.max_height == 400


def test_sections_rows_logs_errors_and_artifacts() -> None:
    try:
        raise ValueError("bad")
    except ValueError as raised:
        error = raised
    section = Section("more", Markdown("1"), columns=3)
    section.append("2")

    assert node_of(section) == tree.Section(
        title="more", nodes=(tree.Markdown(text="1"), tree.Text(text="2")), columns=3
    )
    assert node_of(Row("a", "b")).columns == 2  # pyright: ignore[reportAttributeAccessIssue]
    assert node_of(Log()) == tree.Log(is_own=True)
    assert node_of(Log("1\n2\n3", lines=2)).text == "2\n3"  # pyright: ignore[reportAttributeAccessIssue]
    drawn = node_of(Error(error, "Oh"))
    assert isinstance(drawn, tree.Error)
    assert (drawn.title, drawn.message) == ("Oh", "ValueError: bad")
    assert "raise ValueError" in drawn.traceback
    assert node_of(Artifact([1, 2], "numbers")) == tree.Artifact(
        name="numbers", type="list", preview=tree.Text(text="[1, 2]")
    )


class Own(Component):
    """A component of a user's."""

    def __init__(self, shown: Any) -> None:
        self.shown = shown

    def render(self) -> Any:
        if isinstance(self.shown, Exception):
            raise self.shown
        return self.shown


@pytest.mark.parametrize(
    ("shown", "node"),
    [
        ("text", tree.Text(text="text")),
        (Markdown("m"), tree.Markdown(text="m")),
        (tree.Code(code="c"), tree.Code(code="c")),
        (["a", Markdown("b")], tree.Section(nodes=(tree.Text(text="a"), tree.Markdown(text="b")))),
        ({"type": "markdown", "source": "*x*"}, tree.Markdown(text="*x*")),
        ({"type": "title", "text": "T"}, tree.Text(text="T", tone="title")),
        (
            {"type": "table", "columns": ["a"], "data": [[1]]},
            tree.Table(headers=("a",), rows=(("1",),), align="r", total_rows=1),
        ),
    ],
)
def test_a_component_of_ones_own_is_what_its_render_returns(shown: Any, node: tree.Node) -> None:
    component = Own(shown)
    component.component_id = "mine"

    drawn = node_of(component)

    assert drawn.id == "mine"
    assert type(drawn) is type(node)
    assert {**_fields(drawn), "id": ""} == _fields(node)


def _fields(node: tree.Node) -> dict[str, Any]:
    from asyncflow.records import fields

    return {item.name: getattr(node, item.name) for item in fields(type(node))}


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no message")


@pytest.mark.parametrize(
    "broken",
    [Own(ValueError("in render")), Own(None), Own(Unspeakable()), Image(png()[:4]), VegaChart(3)],  # pyright: ignore[reportArgumentType]
)
def test_a_broken_component_becomes_an_error_or_a_note(broken: object) -> None:
    before, drawn, after = nodes_of(["before", broken, "after"])

    assert (before, after) == (tree.Text(text="before"), tree.Text(text="after"))
    assert isinstance(drawn, tree.Error) or drawn.note


def test_more_components_than_are_shown_leave_a_note() -> None:
    nodes = nodes_of(["x"] * (NODES + 5))

    assert len(nodes) == NODES + 1
    assert nodes[-1].note == "Cut: 1,000 of 1,005 components are shown."


def test_components_in_themselves_end_somewhere() -> None:
    section = Section("s")
    section.append(section)

    assert "nested deeper" in repr(node_of(section))

"""What a terminal makes of a card: nothing in it is obeyed, nothing is too much, and what cannot be drawn is named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from rich.cells import cell_len

from asyncflow.cards import tree
from asyncflow.cards.guard import nodes_of
from asyncflow.cards.terminal import Ink, Line, Redrawn, head_of, lines_of, text_of
from asyncflow.cards.terminal.vega import CannotDraw, drawings_of
from asyncflow.look import PALETTES, glyphs, palette_named
from asyncflow.text import one_line
from tests.unit.cards.showcase import ALL, PICTURE
from tests.unit.cards.test_hostile import EVIL, everywhere

INK = Ink(PALETTES["asyncflow-night"], glyphs())
X = {"field": "x", "type": "quantitative"}
Y = {"field": "y", "type": "quantitative"}


def chart(mark: Any = "line", rows: Any = None, **more: Any) -> str:
    values = [{"x": 1, "y": 2, "s": "a"}, {"x": 2, "y": 3, "s": "b"}] if rows is None else rows
    return json.dumps({"data": {"values": values}, "mark": mark, "encoding": {"x": X, "y": Y}, **more})


def assert_harmless(lines: list[Line], width: int) -> None:
    assert "cannot be drawn here" not in text_of(lines)
    for line in lines:
        for text, style, control in line:
            assert one_line(text) == text
            assert not control
            assert style is None or not style.link
        assert sum(cell_len(segment.text) for segment in line) <= width


@pytest.mark.parametrize("width", [12, 40, 80])
@pytest.mark.parametrize("evil", EVIL)
def test_nothing_of_a_task_is_obeyed_by_the_terminal(evil: str, width: int) -> None:
    nodes = nodes_of(everywhere(evil))
    page = tree.Page(title=evil, type=evil, card_id=evil, pathspec=evil, status=evil, nodes=nodes)

    lines = [*head_of(page, width, INK), *lines_of(nodes, width, INK)]

    assert_harmless(lines, width)


def test_an_entity_in_markdown_does_not_become_a_control_character() -> None:
    lines = lines_of(
        [tree.Markdown(text="&#27;[31m &#x202e; &#x9b; [x](javascript:alert) <b>&amp;lt;</b>")], 60, INK
    )

    assert_harmless(lines, 60)


def test_markup_of_rich_is_text() -> None:
    nodes = [tree.Text(text="[red]a[/red]"), tree.Table(headers=("[b]h",), rows=(("[link=x]c[/link]",),))]

    text = text_of(lines_of(nodes, 60, INK))

    assert "[red]a[/red]" in text
    assert "[link=x]c[/link]" in text


def test_a_large_card_is_cut_with_notes() -> None:
    rows = tuple((str(number), "x") for number in range(1000))
    code = "\n".join(f"line {number}" for number in range(900))
    nodes = [tree.Table(rows=rows), tree.Code(code=code), tree.Log(text=code)]

    lines = lines_of(nodes, 60, INK)

    text = text_of(lines)
    assert len(lines) < 900
    assert "the first 200 of 1,000 rows are drawn in the terminal" in text
    assert "the first 300 of 900 lines" in text
    assert "the last 300 of 900 lines" in text


def test_deep_nodes_end_somewhere() -> None:
    node: tree.Node = tree.Text(text="the bottom")
    for _ in range(60):
        node = tree.Section(nodes=(node,), columns=2)

    text = text_of(lines_of([node], 60, INK))

    assert "Nested deeper" in text


def test_a_node_of_a_later_release_is_named() -> None:
    class Hologram(tree.Node):
        pass

    assert "Hologram" in text_of(lines_of([Hologram()], 60, INK))


def test_only_what_changed_is_drawn_anew() -> None:
    redrawn = Redrawn(INK)
    first = [ALL["metric"], tree.Text(text="one"), ALL["dag"]]
    before = redrawn.lines(first, 80)

    after = redrawn.lines([first[0], tree.Text(text="two"), first[2]], 80)

    assert [text_of([line]) for line in before] != [text_of([line]) for line in after]
    kept = [line for line in after if any(line is other for other in before)]
    assert len(kept) >= len(after) - 3


def test_what_is_folded_is_said_and_unfolded_when_asked() -> None:
    nodes = [tree.Section(title="More", is_open=False, nodes=(tree.Text(text="inside"),))]

    assert "inside" not in text_of(lines_of(nodes, 60, INK))
    assert "inside" in text_of(lines_of(nodes, 60, Ink(INK.palette, INK.glyphs, unfolds=True)))


@pytest.mark.parametrize(
    ("data", "mime"),
    [
        (b"\x89PNG\r\n\x1a\nbroken", "image/png"),
        (PICTURE[:60], "image/png"),
        (b"", "image/png"),
        (b"<svg/>", "image/svg+xml"),
        (b"GIF89a", "image/gif"),
        (PICTURE, "image/nonsense"),
    ],
)
def test_a_picture_that_cannot_be_drawn_is_named(data: bytes, mime: str) -> None:
    lines = lines_of([tree.Image(mime=mime, data=data, label="the label")], 60, INK)

    assert "the label" in text_of(lines)
    assert_harmless(lines, 60)


def test_a_picture_of_too_many_pixels_is_not_unpacked() -> None:
    wide = PICTURE[:16] + (60_000).to_bytes(4) * 2 + PICTURE[24:]

    text = text_of(lines_of([tree.Image(data=wide)], 60, INK))

    assert "[a picture" in text


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("{", "no JSON"),
        ("[]", "no JSON object"),
        (json.dumps({"$schema": "https://vega.github.io/schema/vega/v5.json"}), "Vega, not in Vega-Lite"),
        (chart(transform=[{"filter": "datum.x > 1"}]), "transforms its data"),
        (chart(mark="geoshape"), "the mark 'geoshape'"),
        (chart(mark=""), "without a mark"),
        (chart(data={"url": "https://example.org/data.csv"}), "not loaded"),
        (chart(data={}), "no data"),
        (chart(encoding={"x": X, "y": Y, "row": {"field": "s"}}), "facets"),
        (json.dumps({"facet": {}, "spec": {}}), "'facet'"),
        (chart(encoding={"x": X, "y": {**Y, "aggregate": "stdev"}}), "'stdev'"),
    ],
)
def test_a_chart_that_cannot_be_drawn_says_why(spec: str, why: str) -> None:
    with pytest.raises(CannotDraw, match=why):
        drawings_of(spec)
    assert "browser only" in text_of(lines_of([tree.Chart(spec=spec)], 100, INK))


def test_values_are_grouped_summed_up_and_binned_as_vega_does() -> None:
    rows = [{"x": "a", "y": 1}, {"x": "a", "y": 3}, {"x": "b", "y": 5}]
    nominal = {"field": "x", "type": "nominal"}

    (mean,) = drawings_of(chart("bar", rows, encoding={"x": nominal, "y": {**Y, "aggregate": "mean"}}))
    (count,) = drawings_of(chart("bar", rows, encoding={"x": nominal, "y": {"aggregate": "count"}}))
    (across,) = drawings_of(chart("bar", rows, encoding={"y": nominal, "x": {**Y, "aggregate": "sum"}}))
    (lines,) = drawings_of(chart(encoding={"x": X, "y": Y, "color": {"field": "s"}}))
    binned = {"x": {**X, "bin": True}, "y": {"aggregate": "count"}}
    (histogram,) = drawings_of(chart("bar", [{"x": number} for number in range(120)], encoding=binned))

    assert (mean.x_names, mean.series[0].y) == (("a", "b"), (2.0, 5.0))
    assert count.series[0].y == (2.0, 1.0)
    assert (across.x_names, across.series[0].y) == (("a", "b"), (4.0, 5.0))
    assert [one.name for one in lines.series] == ["a", "b"]
    assert sum(histogram.series[0].y) == 120
    assert len(histogram.series[0].x) == 12


def test_numbers_that_are_none_are_left_out_and_extreme_ones_do_not_break() -> None:
    rows = [{"x": 1e308, "y": -1e308}, {"x": -1e308, "y": 1e308}, {"x": None, "y": 1}, {"x": "z", "y": True}]

    lines = lines_of([tree.Chart(spec=chart("point", rows)), tree.Chart(spec=chart("line", rows))], 60, INK)

    assert_harmless(lines, 60)


def test_a_chart_of_no_rows_is_named_too() -> None:
    assert_harmless(
        lines_of([tree.Chart(spec=chart("line", [])), tree.Chart(spec=chart("rect", []))], 60, INK), 60
    )


@pytest.mark.parametrize(
    ("wanted", "ground", "name"),
    [
        ("", "", "asyncflow-night"),
        ("day", "", "asyncflow-day"),
        ("asyncflow-clear", "0;15", "asyncflow-clear"),
        ("", "0;15", "asyncflow-day"),
        ("nonsense", "15;0", "asyncflow-night"),
    ],
)
def test_the_palette_is_the_one_asked_for_or_one_for_the_ground(wanted: str, ground: str, name: str) -> None:
    assert palette_named(wanted, ground).name == name

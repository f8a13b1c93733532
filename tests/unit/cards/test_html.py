"""Pages as HTML: one file, our policy, every component drawn, and notes where something cannot be."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

from asyncflow.cards import tree
from asyncflow.cards.html import Charts, content_policy, document, node_html, nodes_html, page_html, style
from asyncflow.cards.html.clean_svg import clean_svg
from asyncflow.cards.html.graph import layers_of

SPEC = (
    '{"$schema":"https://vega.github.io/schema/vega-lite/v5.json","title":"Loss by fold","data":{"values":'
    '[{"a":1,"b":2},{"a":2,"b":3}]},"mark":"bar","encoding":{"x":{"field":"a","type":"quantitative","title":"epoch"},'
    '"y":{"field":"b","type":"quantitative"}}}'
)
VEGA = (
    '{"$schema":"https://vega.github.io/schema/vega/v5.json","width":20,"height":20,"marks":'
    '[{"type":"text","encode":{"enter":{"text":{"value":"by Vega"}}}}]}'
)


@pytest.fixture(scope="module")
def charts() -> Iterator[Charts]:
    with Charts() as made:
        yield made


def text_in(html: str) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)))


def test_a_page_says_whose_it_is_and_lets_nothing_run_or_load(charts: Charts) -> None:
    page = tree.Page(
        title="Training",
        type="blank",
        card_id="mine",
        pathspec="Flow/4/train/7",
        status="failed",
        made_at=1e9,
        attempt=2,
    )

    html = page_html(page, charts=charts)

    told = text_in(html)
    for words in ("Training", "Flow 4 train 7", "failed", "attempt 2", "card blank · mine", "made 2001-09-"):
        assert words in told, words
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', html)
    (sheet,) = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()
    assert unescape(policy) == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    assert sheet == style()
    assert unescape(policy) == content_policy()
    assert "</" not in style()
    assert len(html) < 20_000


def test_colours_are_chosen_without_a_script(charts: Charts) -> None:
    html = page_html(tree.Page(is_live=True), charts=charts)

    assert re.findall(r'id="look-(\w+)"', html) == ["auto", "light", "dark"]
    assert ":root:has(#look-dark:checked) { color-scheme: dark; }" in style()
    assert '<span class="live">live</span>' in html


def test_a_server_may_put_more_into_a_document(charts: Charts) -> None:
    page = tree.Page(title="T", nodes=(tree.Text(text="one"), tree.Text(text="two")))

    body = nodes_html(page.nodes, charts=charts)
    html = document(page, body, head='<script src="/live.js"></script>', policy="default-src 'self'")

    assert re.findall(r'data-node="(\d+)"', body) == ["0", "1"]
    assert '<script src="/live.js"></script>' in html
    assert 'content="default-src &#39;self&#39;"' in html


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (tree.Text(text="as it is"), "as it is"),
        (tree.Markdown(text="# Big\n\n- a\n- b"), "Big a b"),
        (tree.Section(title="More", nodes=(tree.Text(text="inside"),)), "More inside"),
        (tree.Section(columns=3, nodes=(tree.Text(text="beside"),)), "beside"),
        (
            tree.Facts(title="Facts", rows=(("took", "3 s"), ("n", tree.Text(text="node")))),
            "Facts took 3 s n node",
        ),
        (
            tree.Table(
                title="T", headers=("a", "b"), rows=(("1", tree.Value(value="2")), ("3",)), align="rl"
            ),
            "T a b 1 2 3",
        ),
        (tree.Image(data=b"\x89PNG", label="a picture"), "a picture"),
        (tree.Image(note="There is none."), "There is none."),
        (tree.Chart(spec=SPEC), "Loss by fold"),
        (tree.Chart(spec=VEGA, title="Above"), "Above by Vega"),
        (
            tree.Metric(
                title="Loss",
                unit="bits",
                x_label="epoch",
                series=(tree.Series(name="train", x=(0.0, 1.0), y=(3.0, 1.25)), tree.Series(name="none")),
            ),
            "train 1.25 bits",
        ),
        (tree.Metric(title="Nothing"), "No value was reported yet."),
        (tree.Metric(series=(tree.Series(x=(5.0,), y=(5.0,)),)), "5"),
        (
            tree.Progress(label="fit", value=3.0, max=4.0, unit="folds", details="soon"),
            "fit 3 / 4 folds · soon",
        ),
        (tree.Progress(label="fit", value=3.0, max=0.0), "fit 3"),
        (tree.Value(title="acc", value="99 %", subtitle="held out", change="+1"), "acc 99 % +1 held out"),
        (tree.Code(title="Source", code="def f(): pass"), "Source def f ( ) : pass"),
        (tree.Code(code="plain", language="no language"), "plain"),
        (tree.Json(title="J", text='{"a": [1, null, "x"]}', is_folded=True), "J { 1 key } a [ 3 items ]"),
        (tree.Json(text='{"a": 1}'), '{"a": 1}'),
        (tree.Json(text="{cut", is_folded=True), "{cut"),
        (tree.Json(text="{}", syntax="yaml", yaml="a: 1"), "a: 1"),
        (
            tree.Artifact(name="model", type="SVC", size_bytes=2048, preview=tree.Text(text="SVC()")),
            "model SVC · 2.0 KB SVC()",
        ),
        (
            tree.Timeline(
                title="Agent",
                is_finished=True,
                stats=(("events", "2"),),
                events=(tree.Event(title="call", priority="high", details=(("tool", "search"),)),),
            ),
            "Agent 2 events finished call high",
        ),
        (
            tree.Error(title="ValueError", message="bad", traceback="File x"),
            "ValueError bad Traceback File x",
        ),
        (tree.Log(title="Log", text="line", note="The last 1 lines."), "Log line The last 1 lines."),
        (
            tree.Dag(current="a", steps=(tree.DagStep(name="a", next=("b", "a")), tree.DagStep(name="b"))),
            "a a b b",
        ),
        (tree.Page(nodes=(tree.Text(text="nested"),)), "nested"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, tree.Node) else "",
)
def test_every_node_is_drawn(node: tree.Node, words: str, charts: Charts) -> None:
    html = node_html(node, charts=charts)

    assert re.sub(r"\W", "", words).lower() in re.sub(r"\W", "", text_in(html)).lower(), text_in(html)
    assert html.count("<") == html.count(">")


def test_a_chart_is_shapes_in_the_colours_of_the_page(charts: Charts) -> None:
    svg = charts.draw(SPEC).svg

    assert svg.startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    assert 'fill="currentColor"' in svg
    assert "<title>epoch: 1; b: 2</title>" in svg
    assert charts.draw(SPEC.replace('"title":', '"background":"white","title":')).is_paper


def test_without_vl_convert_a_note_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "vl_convert.py").write_text("raise ImportError('not here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    with Charts() as without:
        html = node_html(tree.Chart(spec=SPEC, title="Shown all the same"), charts=without)

    assert "pip install &#39;asyncflow-run[cards]&#39;" in html
    assert "Shown all the same" in html


def test_only_shapes_and_text_of_a_picture_get_through() -> None:
    dirty = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" onload="x()" width="9">'
        "<script>x()</script><style>*{}</style><foreignObject><b>x</b></foreignObject><use href='#a'/>"
        '<a xlink:href="javascript:x()"><text onclick="x()" style="x" fill="url(http://evil.example)">words</text></a>'
        '<image href="http://evil.example/p.png"/><image href="data:image/png;base64,AAAA" width="1"/>'
        '<rect id="r" clip-path="url(#r)" fill="red" data-x="1"/><animate attributeName="href"/></svg>'
    )

    clean = clean_svg(dirty)

    assert re.sub(r"s[0-9a-f]{8}-", "P-", clean) == (
        '<svg xmlns="http://www.w3.org/2000/svg" width="9"><g><text>words</text></g>'
        '<image href="data:image/png;base64,AAAA" width="1"/><rect id="P-r" clip-path="url(#P-r)" fill="red"/></svg>'
    )


@pytest.mark.parametrize(
    "text",
    ["", "<html/>", "<svg", '<!DOCTYPE svg [<!ENTITY a "aaaa">]><svg xmlns="x">&a;</svg>', "plain"],
)
def test_what_is_no_picture_is_nothing(text: str) -> None:
    assert clean_svg(text) == ""


def test_a_step_stands_behind_all_that_lead_to_it() -> None:
    def step(name: str, *following: str) -> tree.DagStep:
        return tree.DagStep(name=name, next=following)

    dag = tree.Dag(
        steps=(
            step("s", "a", "b"),
            step("a", "c"),
            step("b", "j"),
            step("c", "j", "a"),
            step("j", "e"),
            step("e"),
        )
    )

    assert layers_of(dag) == [["s"], ["a", "b"], ["c"], ["j"], ["e"]]


def test_a_graph_too_large_to_be_drawn_is_named(charts: Charts) -> None:
    steps = tuple(tree.DagStep(name=f"s{n}", next=(f"s{n + 1}",)) for n in range(400))

    assert "400 steps: s0, s1" in text_in(node_html(tree.Dag(steps=steps), charts=charts))

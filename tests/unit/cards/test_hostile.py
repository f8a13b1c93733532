"""Whatever a task puts on a card is inert: no script, no markup, no style, no request; what is too much is left out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest

from asyncflow.cards import (
    Artifact,
    Error,
    EventsTimeline,
    Image,
    JSONViewer,
    Log,
    Markdown,
    Metric,
    ProgressBar,
    PythonCode,
    Section,
    Table,
    ValueBox,
    VegaChart,
    YAMLViewer,
    tree,
)
from asyncflow.cards.codec import pack, unpack
from asyncflow.cards.guard import nodes_of
from asyncflow.cards.html import Charts, page_html
from asyncflow.cards.limits import IMAGE_BYTES, TABLE_ROWS

EVIL = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "\"><a href='javascript:alert(1)'>x</a>",
    "</pre></style></title></textarea><iframe src=//evil.example></iframe>",
    "{{ 7*7 }}{% for x in y %}",
    "\x1b]8;;http://evil.example\x07\x1b[31mred\u202egnp.exe\x00\ufffe",
    "half \ud800 pair",
)
"""What people try."""
_TAGS = """
html head meta title style body header nav span fieldset legend label input h1 h2 h3 p main section div footer b i em
strong code pre ul ol li dl dt dd table thead tbody tr th td a br hr blockquote details summary figure figcaption img
progress time del svg g path line rect circle text polyline defs tspan clippath
"""
ALLOWED = frozenset(_TAGS.split())


class Looked(HTMLParser):
    """What is in a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def assert_inert(html: str) -> Looked:
    looked = Looked(html)
    assert set(looked.tags) <= ALLOWED, set(looked.tags) - ALLOWED
    for tag, name, value in looked.attributes:
        assert not name.startswith("on"), (tag, name, value)
        assert name not in ("srcdoc", "style", "srcset", "formaction", "background", "ping"), (
            tag,
            name,
            value,
        )
        if name in ("href", "xlink:href"):
            assert value.startswith(("https://", "http://", "mailto:", "#")), (tag, name, value)
            assert tag == "a"
        if name == "src":
            assert (tag, value[:11]) == ("img", "data:image/")
    assert "\x1b" not in html
    assert "\u202e" not in html
    html.encode()  # no half of a pair
    return looked


def everywhere(evil: str) -> list[Any]:
    """Return every component with a text in all places that take one."""
    timeline = EventsTimeline(evil)
    timeline.update(
        {"event": evil, evil: evil}, style_theme=evil, priority=evil, payloads={evil: Markdown(evil)}
    )
    metric = Metric(evil, unit=evil, x=evil)
    metric.add(1, series=evil)
    metric.add(2, series=evil)
    named = Markdown(evil)
    named.component_id = evil
    return [
        evil,
        named,
        Section(evil, evil),
        Table([[evil, Markdown(evil)]], headers=[evil], title=evil),
        Image(b"\x89PNG\r\n\x1a\nno picture", evil),
        Image(f"<svg xmlns='http://www.w3.org/2000/svg'>{evil}</svg>".encode("utf-8", "replace"), evil),
        Artifact({evil: evil}, evil),
        Artifact(evil, evil),
        ProgressBar(10, evil, 3, evil, evil),
        ValueBox(evil, evil, evil, theme=evil, change_indicator=evil),
        PythonCode(code_string=evil),
        timeline,
        JSONViewer({evil: [evil]}, title=evil),
        JSONViewer({evil: [evil]}, collapsible=False),
        YAMLViewer({evil: [evil]}, title=evil),
        Error(ValueError(evil), evil),
        Log(evil, title=evil),
        metric,
        VegaChart(
            {
                "title": evil,
                "usermeta": {"x": evil},
                "data": {"values": [{"a": evil, "b": 1, "u": "http://127.0.0.1:9/x.png"}]},
                "mark": {"type": "text", "text": evil, "href": "javascript:alert(1)", "tooltip": evil},
                "encoding": {
                    "x": {"field": "a"},
                    "y": {"field": "b", "type": "quantitative"},
                    "href": {"field": "a"},
                },
            }
        ),
        VegaChart({"mark": evil}),
        tree.Dag(
            steps=(tree.DagStep(name=evil, kind=evil, next=(evil,), doc=evil, status=evil),), current=evil
        ),
        tree.Facts(title=evil, rows=((evil, evil), (evil, tree.Text(text=evil, tone=evil)))),
        tree.Code(code=evil, language=evil, title=evil),
    ]


@pytest.fixture(scope="module")
def charts() -> Iterator[Charts]:
    with Charts() as made:
        yield made


@pytest.mark.parametrize("evil", EVIL, ids=range(len(EVIL)))
def test_text_of_a_task_is_shown_and_never_obeyed(evil: str, charts: Charts) -> None:
    nodes = nodes_of(everywhere(evil))
    page = tree.Page(
        title=evil, type=evil, card_id=evil, pathspec=f"{evil}/1", status=evil, note=evil, nodes=nodes
    )

    html = page_html(unpack(pack(page), tree.Page), charts=charts)

    looked = assert_inert(html)
    if evil.isascii() and evil.isprintable():
        assert "".join(looked.words).count(evil) > 20, "it is there to be read"


@pytest.mark.parametrize(
    "source",
    [
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](&#106;avascript:alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "[x](vbscript:x)",
        "[x](file:///etc/passwd)",
        "<javascript:alert(1)>",
        "![x](http://evil.example/pixel.png)",
        "![x](data:image/svg+xml;base64,PHN2Zz4=)",
        '![x](x"onerror="alert(1))',
        "<b onclick=alert(1)>x</b>",
        "[x]: javascript:alert(1)\n\n[x]",
        "```<script>\nalert(1)\n```",
        "| a |\n|:-:|\n| b |",
    ],
)
def test_markdown_leads_to_the_web_and_nowhere_else(source: str, charts: Charts) -> None:
    assert_inert(page_html(tree.Page(nodes=nodes_of([Markdown(source)])), charts=charts))


def test_markdown_keeps_what_is_harmless(charts: Charts) -> None:
    html = page_html(tree.Page(nodes=nodes_of([Markdown("**b** [x](https://a.example) `c`")])), charts=charts)

    assert "<strong>b</strong>" in html
    assert 'href="https://a.example" rel="noopener noreferrer nofollow" target="_blank"' in html


def test_a_table_of_50_mb_is_cut_with_a_note(charts: Charts) -> None:
    large = Table([["x" * 1_000] * 50 for _ in range(1_000)])
    long = Table([[number] for number in range(1_000_000)])
    wide = Table([list(range(500))])
    (first, second, third) = nodes = nodes_of([large, long, wide])

    assert first.note == "Cut: 8 of 1,000 rows are shown."
    assert second.note == f"Cut: {TABLE_ROWS:,} of 1,000,000 rows are shown."
    assert third.note == "Cut: 60 of 500 columns are shown."
    assert len(page_html(tree.Page(nodes=nodes), charts=charts)) < 1_000_000


def test_texts_pictures_logs_and_code_are_cut_with_a_note() -> None:
    too_large = b"\x89PNG\r\n\x1a\n" + bytes(IMAGE_BYTES)
    nodes = nodes_of(
        [
            "x" * 50_000_000,
            Markdown("x" * 50_000_000),
            Image(too_large),
            Log("line\n" * 1_000_000),
            PythonCode(code_string="x = 1\n" * 1_000_000),
            JSONViewer({"k": ["v" * 100] * 1_000_000}),
            YAMLViewer(["v" * 1000] * 1_000_000),
            VegaChart({"mark": "point", "data": {"values": [{"a": 1, "b": 2}] * 1_000_000}}),
        ]
    )

    assert all(node.note for node in nodes), [node.note for node in nodes]
    assert len(pack(tree.Body(nodes=nodes))) < 3_000_000


def test_values_that_refer_to_themselves_or_are_no_numbers(charts: Charts) -> None:
    cyclic: dict[str, Any] = {"a": 1}
    cyclic["self"] = cyclic
    deep: list[Any] = []
    for _ in range(5_000):
        deep = [deep]
    strange = {
        "nan": math.nan,
        "inf": -math.inf,
        "bytes": b"\xff\xfe",
        3: {1, 2},
        "huge": 10**400,
        "o": object(),
    }
    metric = Metric("m")
    metric.report(0, a=math.nan, b=math.inf, c=1e308, d=-1e308)
    components = [
        JSONViewer(cyclic),
        YAMLViewer(cyclic),
        JSONViewer(deep),
        JSONViewer(strange),
        Artifact(cyclic),
    ]
    components += [
        Artifact(deep),
        Table([[cyclic, math.nan, b"\xff"]]),
        ProgressBar(0, value=math.nan),
        metric,
    ]
    components += [
        ProgressBar(math.inf, value=5),
        ValueBox("v", math.nan),
        VegaChart({"mark": "bar", "x": math.nan}),
    ]
    components += [VegaChart({"mark": "bar", "self": cyclic})]

    html = page_html(tree.Page(nodes=nodes_of(components)), charts=charts)

    assert_inert(html)
    assert "(refers to itself)" in html


def test_a_chart_that_asks_for_too_much_is_given_up_and_the_next_is_drawn() -> None:
    greedy = '{"data":{"sequence":{"start":0,"stop":1e9}},"mark":"point","encoding":{"x":{"field":"data"}}}'
    small = '{"data":{"values":[{"a":1}]},"mark":"bar","encoding":{"x":{"field":"a","type":"quantitative"}}}'
    with Charts(within_s=6) as charts:  # a slow machine takes 3 s to start the drawing
        refused, drawn = charts.draw(greedy), charts.draw(small)

    assert refused.svg == ""
    assert "takes longer than 6 s" in refused.note or "more memory" in refused.note
    assert drawn.svg.startswith("<svg")


@pytest.mark.parametrize(
    "spec", ["", "[]", "{", '{"mark": 3}', '{"data": {"url": "http://127.0.0.1:9/"}, "mark": "bar"}']
)
def test_a_chart_that_is_none_leaves_a_note(spec: str, charts: Charts) -> None:
    drawn = charts.draw(spec)

    assert drawn.svg == ""
    assert drawn.note.startswith("The chart")


def test_a_page_of_a_card_of_ones_own_loads_nothing_and_other_cards_put_it_into_a_frame(
    charts: Charts,
) -> None:
    own = tree.Html(html="<h1 title='\"'>Mine</h1><script>document.title = 1</script>")

    alone = page_html(tree.Page(nodes=(own,)), charts=charts)
    beside = page_html(tree.Page(nodes=(own, tree.Text(text="t"))), charts=charts)

    assert alone.index("Content-Security-Policy") < alone.index("<script>")
    assert "default-src &#39;none&#39;" in alone
    assert "<script" not in beside
    frames = [(name, value) for tag, name, value in Looked(beside).attributes if tag == "iframe"]
    assert ("srcdoc", own.html) in frames
    assert ("sandbox", "") in frames

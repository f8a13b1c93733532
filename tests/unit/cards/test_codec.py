"""Trees go to bytes and back; what a reader does not know, or must not believe, harms nobody."""

from __future__ import annotations

import json

import msgpack
import pytest

from asyncflow.cards import tree
from asyncflow.cards.codec import digest, pack, to_json, unpack
from asyncflow.records import MISSING, fields

PAGE = tree.Page(
    title="A card",
    pathspec="F/1/train/3",
    made_at=12.5,
    nodes=(
        tree.Markdown(id="intro", text="# Hello"),
        tree.Table(headers=("a", "b"), rows=(("1", tree.Progress(value=0.5, max=1.0)), ("x",)), align="rl"),
        tree.Image(data=b"\x89PNG", width=3),
        tree.Metric(series=(tree.Series(name="loss", x=(0.0, 1.0), y=(2.0, 1.0)),)),
        tree.Dag(steps=(tree.DagStep(name="start", next=("end",)), tree.DagStep(name="end"))),
        tree.Timeline(events=(tree.Event(title="e", details=(("k", "v"),), nodes=(tree.Text(text="t"),)),)),
        tree.Facts(rows=(("memory", "3 GB"), ("plot", tree.Chart(spec="{}")))),
        tree.Artifact(name="model", preview=tree.Json(text="[]")),
        tree.Section(
            title="More", nodes=(tree.Value(value="3"), tree.Error(title="E"), tree.Log(), tree.Code())
        ),
        tree.Html(html="<p>"),
        tree.Body(title="B", artifacts=(tree.Artifact(name="x"),), has_frame=False, data="{}"),
    ),
)


def test_a_page_of_every_kind_of_node_comes_back_as_it_was() -> None:
    packed = pack(PAGE)

    assert unpack(packed, tree.Page) == PAGE
    used = {kind for kind, seen in tree.KINDS.items() if f"{seen.__name__}(" in repr(PAGE)}
    assert used == set(tree.KINDS)


def test_equal_trees_have_equal_digests_and_others_other_ones() -> None:
    same = pack(unpack(pack(PAGE), tree.Page))
    other = pack(tree.Page(title="Another card"))

    assert digest(same) == digest(pack(PAGE))
    assert digest(other) != digest(same)


def test_a_page_can_be_told_in_json() -> None:
    told = json.loads(json.dumps(to_json(PAGE)))

    assert told["kind"] == "page"
    assert told["nodes"][0] == {"kind": "markdown", "id": "intro", "text": "# Hello"}
    assert told["nodes"][2]["data"] == "iVBORw=="


def test_a_node_of_a_newer_release_becomes_a_text_that_says_so() -> None:
    newer = msgpack.packb({"": "page", "nodes": [{"": "hologram", "depth": 3}], "smell": "roses"})

    page = unpack(newer, tree.Page)

    assert page.nodes == (tree.Text(note="This part of the card ('hologram') is of a newer release."),)


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"\xc1",
        pack(PAGE)[:-3],
        msgpack.packb({"": "page", "title": 3}),
        msgpack.packb({"": "page", "nodes": ["no node"]}),
        msgpack.packb({"": "page", "made_at": True}),
        msgpack.packb({"": "page", "made_at": float("nan")}),
        msgpack.packb({"": "table", "rows": [["a"]]}),
        msgpack.packb({"": "page", "nodes": [{"": "facts", "rows": [["only a name"]]}]}),
        msgpack.packb(["page"]),
    ],
)
def test_bytes_that_are_no_page_are_refused(damaged: bytes) -> None:
    with pytest.raises(ValueError, match="a card"):
        unpack(damaged, tree.Page)


def test_text_that_no_file_can_hold_is_replaced() -> None:
    packed = pack(tree.Text(text="half \ud800 a pair"))

    assert unpack(packed, tree.Text).text == "half ? a pair"


def test_every_field_of_every_node_has_a_default_so_that_releases_can_add_more() -> None:
    without = [
        f"{kind.__name__}.{item.name}"
        for kind in tree.KINDS.values()
        for item in fields(kind)
        if item.default is MISSING
    ]

    assert without == []

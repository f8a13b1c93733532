"""Every component in a real browser, light and dark: what it shows; nothing is run, loaded or complained of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from asyncflow.cards import tree
from asyncflow.cards.html import Charts, page_html
from tests.integration.cards.conftest import Opened
from tests.unit.cards.showcase import ALL

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.slow]

SEEN: dict[str, tuple[str, ...]] = {
    "text": ("[bold]not bold[/bold]", "Cut: 2 of 3 lines"),
    "markdown": ("A report on digits", "<b>Not bold</b>", "forest", "Said by somebody"),
    "table": ("nearest neighbours", "98.33 %", "logistic"),
    "nested": ("trees", "40 / 100", "diverged"),
    "wide-table": ("column 19",),
    "image": ("A disc",),
    "progress": ("training", "42 / 100 epochs · 3 min left"),
    "values": ("97.11 %", "+1.2 %", "misread"),
    "code": ("def fit(model, rate=0.1):",),
    "json": ("Settings", "layers"),
    "yaml": ("rate: 0.1",),
    "error": ("ValueError", "the rate is negative"),
    "log": ("round 2: loss 0.4",),
    "metric": ("loss", "train", "nats"),
    "artifact": ("scores", "2.2 KB"),
    "timeline": ("gave up", "began", "with 3 workers", "finished"),
    "dag": ("train", "choose"),
    "facts": ("ran on", "3.1s of processor"),
    "section": ("Chapter", "inside"),
}
CHARTS = ("metric", "line", "points", "bars", "histogram", "heat", "dag")


@pytest.fixture(scope="module")
def charts() -> Iterator[Charts]:
    with Charts() as made:
        yield made


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_component_is_seen_and_nothing_is_run_or_loaded(
    scheme: str, looking: Opened, charts: Charts, tmp_path: Path
) -> None:
    look = looking(scheme)
    for name, node in ALL.items():
        file = tmp_path / f"{name}.html"
        file.write_text(
            page_html(tree.Page(title=name, nodes=(node, tree.Text(text="the end"))), charts=charts)
        )

        look.page.goto(file.as_uri())

        text = look.page.inner_text("main").replace("\n", " ").replace("\xa0", " ")
        for words in (*SEEN.get(name, ()), "the end"):
            assert words.replace("\n", " ") in text or words in look.page.inner_text("body"), (
                name,
                words,
                text,
            )
        if name in CHARTS:
            box = look.page.locator("main svg").first.bounding_box()
            assert box is not None, name
            assert min(box["width"] / 100, box["height"] / 40) > 1, (name, box)
        assert look.page.evaluate("document.scripts.length") == 0
    look.assert_quiet("file://")


def test_light_is_light_dark_is_dark_and_either_can_be_chosen(looking: Opened, tmp_path: Path) -> None:
    file = tmp_path / "card.html"
    file.write_text(page_html(tree.Page(title="A card", nodes=(ALL["markdown"],))))
    ground = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)[0]"
    for scheme, is_dark in (("light", False), ("dark", True)):
        look = looking(scheme)
        look.page.goto(file.as_uri())
        assert (look.page.evaluate(ground) < 80) is is_dark

        look.page.locator("#look-light" if is_dark else "#look-dark").check(force=True)

        assert (look.page.evaluate(ground) < 80) is not is_dark
        look.assert_quiet("file://")


def test_a_narrow_window_scrolls_no_page_sideways(looking: Opened, charts: Charts, tmp_path: Path) -> None:
    file = tmp_path / "card.html"
    file.write_text(page_html(tree.Page(title="All", nodes=tuple(ALL.values())), charts=charts))
    look = looking("light", width=420)

    look.page.goto(file.as_uri())

    assert look.page.evaluate("document.documentElement.scrollWidth") <= 420
    look.assert_quiet("file://")

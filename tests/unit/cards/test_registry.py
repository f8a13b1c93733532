"""Cards of one's own are found by their type: of a module that was imported, and of an installed package."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncflow.cards import Card, get_cards
from asyncflow.cards.registry import card_class, known_types
from asyncflow.client import cards as client


def test_a_subclass_is_known_by_its_type_and_the_newest_counts() -> None:
    older = type("Older", (Card,), {"type": "of_registry_test"})
    newer = type("Newer", (older,), {"type": "of_registry_test"})

    assert card_class("of_registry_test") is newer
    assert {"default", "blank", "of_registry_test"} <= set(known_types())
    assert card_class("nobody_wrote_this") is None


def test_a_package_brings_cards_by_an_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pretty_cards.py").write_text(
        "from asyncflow.cards import Card\n\nclass Pretty(Card):\n    type = 'pretty_of_package'\n"
    )
    info = tmp_path / "pretty_cards-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pretty-cards\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[asyncflow.cards]\npretty = pretty_cards:Pretty\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    found = card_class("pretty_of_package")

    assert found is not None
    assert (found.__module__, found.type) == ("pretty_cards", "pretty_of_package")


def test_get_cards_stands_beside_the_components() -> None:
    assert get_cards is client.get_cards

"""The keys are written once; the page about them is made from there."""

from __future__ import annotations

import os
import re
from pathlib import Path

from asyncflow.tui.keys import KEYS, PLACES

PAGE = Path(__file__).parents[3] / "docs" / "dashboard.md"


def _table() -> str:
    lines = []
    for place, title in PLACES.items():
        lines += [f"**{title}**", "", "| keys | |", "|---|---|"]
        lines += [f"| `{key.shown}` | {key.help} |" for key in KEYS if key.place == place]
        lines.append("")
    return "\n".join(lines)


def test_the_page_names_every_key() -> None:
    """`UPDATE_GOLDEN=1` writes it anew."""
    text = PAGE.read_text()
    wanted = f"<!-- keys -->\n\n{_table()}\n<!-- end of keys -->"
    made = re.sub(r"<!-- keys -->.*<!-- end of keys -->", lambda _: wanted, text, flags=re.DOTALL)
    if os.environ.get("UPDATE_GOLDEN"):
        PAGE.write_text(made)
    assert PAGE.read_text() == made


def test_no_key_does_two_things_in_one_place() -> None:
    for place in PLACES:
        keys = [name for key in KEYS if key.place == place for name in key.keys.split(",")]
        assert len(keys) == len(set(keys)), place

"""Pictures of each component in the terminal, compared with those that were looked at.

`UPDATE_GOLDEN=1` takes them anew: look at them then.
"""

from __future__ import annotations

import io
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from rich.segment import Segment, Segments
from rich.terminal_theme import TerminalTheme

from asyncflow.cards.terminal import Ink, lines_of
from asyncflow.look import PALETTES, Palette, glyphs
from tests.unit.cards.showcase import ALL

GOLDEN = Path(__file__).parents[2] / "golden" / "cards"
FONTS = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)
NIGHT, DAY = PALETTES["asyncflow-night"], PALETTES["asyncflow-day"]


@pytest.fixture(autouse=True)
def _in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def picture(names: list[str], width: int, ink: Ink) -> str:
    """Draw components below each other, and return them as a picture."""
    lines = lines_of([ALL[name] for name in names], width, ink)
    console = Console(
        file=io.StringIO(),
        width=width,
        record=True,
        force_terminal=True,
        color_system="truecolor",
        legacy_windows=False,
        _environ={},
    )
    segments = [segment for line in lines for segment in (*line, Segment.line())]
    shown = segments if ink.has_colours else list(Segment.remove_color(segments))
    console.print(Segments(shown), end="", soft_wrap=True)
    svg = console.export_svg(
        title=f"{', '.join(names)[:60]} in {width}", theme=_theme(ink.palette), unique_id="card"
    )
    return f"{FONTS.sub('', svg)}\n"


def compare(name: str, found: str) -> None:
    path = GOLDEN / f"{name}.svg"
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(found)
    assert found == path.read_text(), f"{name} looks different; UPDATE_GOLDEN=1, then look at {path}"


def _theme(palette: Palette) -> TerminalTheme:
    def rgb(colour: str) -> tuple[int, int, int]:
        return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)

    return TerminalTheme(rgb(palette.background), rgb(palette.text), [(0, 0, 0)] * 8)


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("name", ALL)
def test_a_component_looks_as_it_did(name: str, width: int) -> None:
    compare(f"{name}-{width}", picture([name], width, Ink(NIGHT, glyphs())))


@pytest.mark.parametrize("look", ["day", "plain", "ascii"])
def test_all_components_look_as_they_did_in_light_without_colours_and_in_ascii(
    look: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASYNCFLOW_ASCII", "1" if look == "ascii" else "0")

    ink = Ink(DAY if look == "day" else NIGHT, glyphs(), has_colours=look != "plain")

    compare(f"all-{look}", picture(list(ALL), 80, ink))

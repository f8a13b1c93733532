"""Pictures of screens, compared with those that were looked at. `UPDATE_GOLDEN=1` takes them anew: look at them then.

The history is the same every time: made by the real machine with a seed, in a real store, with times of long ago.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from asyncflow.store.layout import log_path
from benchmarks.history import make_history
from tests.integration.tui.conftest import looking

GOLDEN = Path(__file__).parents[2] / "golden" / "tui"
SEED = 8
"""With it run 11 fails, and 12 does not."""
SIZES = {"small": (80, 24), "middle": (120, 40), "large": (200, 60)}
FONTS = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)
"""A picture would fetch its fonts from elsewhere."""
SCREENS: dict[str, tuple[int | None, int | None, Sequence[str], str]] = {
    "runs": (None, None, (), "ScoreFlow"),
    "steps": (12, None, (), "STEP"),
    "tasks": (12, None, ("2",), "MEMORY"),
    "graph": (12, None, ("3",), "▼"),
    "timeline": (12, None, ("4",), "WHAT"),
    "events": (12, None, ("5",), "RunCreated"),
    "failed": (11, None, ("2",), "ValueError"),
    "task": (12, 1, (), "learning"),
    "card": (12, 1, ("c",), "used"),
    "help": (12, None, ("question_mark",), "Everywhere"),
}
PLAIN = ("runs", "steps", "failed", "task")
"""Screens that are looked at in all sizes, without colours, and in ASCII."""


@pytest.fixture(scope="module")
def old_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Twelve runs of long ago, in UTC."""
    place, begun_in = tmp_path_factory.mktemp("pictures"), Path.cwd()
    os.chdir(place)  # the store's path is seen in the pictures
    home = Path("history")
    make_history(str(home), 12, 40, seed=SEED)
    log = Path(log_path(str(home), 12, 1, 0))
    log.parent.mkdir(parents=True)
    lines = [f"176000730{n % 10}.000000 {'e' if n % 9 == 5 else 'o'} learning: round {n}" for n in range(80)]
    log.write_text("\n".join(lines) + "\n")
    before = os.environ.get("TZ")
    os.environ["TZ"] = "UTC"
    time.tzset()
    yield home
    os.chdir(begun_in)
    os.environ.pop("TZ") if before is None else os.environ.update(TZ=before)
    time.tzset()


async def _compare(home: Path, screen: str, size: tuple[int, int], name: str) -> None:
    run, task, keys, sign = SCREENS[screen]
    async with looking(home, run=run, task=task, size=size) as look:
        await look.until(lambda: len(look.text.strip()) > 200, "for the first screen")
        await look.press(*keys)
        await look.sees(sign if os.environ.get("ASYNCFLOW_ASCII") != "1" else sign.replace("▼", "v"))
        for _ in range(5):
            await look.pilot.pause(0.05)
        picture = FONTS.sub("", look.app.export_screenshot(title=name, simplify=True)) + "\n"
    path = GOLDEN / f"{name}.svg"
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(picture)
    assert picture == path.read_text(), f"{screen} looks different; UPDATE_GOLDEN=1, then look at {path}"


@pytest.mark.parametrize("screen", SCREENS)
async def test_a_screen_looks_as_it_did(old_home: Path, screen: str) -> None:
    await _compare(old_home, screen, SIZES["middle"], screen)


@pytest.mark.parametrize("size", ["small", "large"])
@pytest.mark.parametrize("screen", PLAIN)
async def test_a_screen_of_another_size_looks_as_it_did(old_home: Path, screen: str, size: str) -> None:
    await _compare(old_home, screen, SIZES[size], f"{screen}-{size}")


@pytest.mark.parametrize("screen", PLAIN)
@pytest.mark.parametrize("variable", ["NO_COLOR", "ASYNCFLOW_ASCII"])
async def test_a_screen_without_colours_or_in_ascii_looks_as_it_did(
    old_home: Path, screen: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "1")
    await _compare(
        old_home, screen, SIZES["middle"], f"{screen}-{variable.removeprefix('ASYNCFLOW_').lower()}"
    )

"""Takes pictures of every screen of the dashboard and of the card server, from runs of the examples, for docs/.

.venv/bin/python scripts/screenshots.py docs/screenshots
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from textual.pilot import Pilot

from asyncflow.tui.app import Dashboard, Leave
from asyncflow.tui.cardpane import CardPane

ROOT = Path(__file__).resolve().parents[1]
SIZE = (110, 32)
_FONT = re.compile(r"@font-face \{.*?\}", re.DOTALL)


def prepare(home: Path) -> None:
    """Run examples, one of them into its bug."""
    for name in ("hello.py", "digits_sweep.py", "train_until_good.py"):
        (home.parent / name).write_text((ROOT / "examples" / name).read_text())
    for arguments in (
        ["run", "hello.py", "--who", "Ada"],
        ["run", "digits_sweep.py", "--tag", "nightly"],
        ["run", "train_until_good.py"],
        ["run", "hello.py", "--times", "0"],
        ["run", "train_until_good.py", "--good-enough", "0.97"],
    ):
        environment = {**os.environ, "ASYNCFLOW_HOME": str(home), "ASYNCFLOW_USER": "ada"}
        line = [sys.executable, "-P", "-m", "asyncflow", *arguments, "--ui", "none"]
        subprocess.run(line, cwd=home.parent, env=environment, check=False, stderr=subprocess.DEVNULL)


async def take(
    home: Path, name: str, keys: Sequence[str], to: Path, *, run: int | None, task: int | None = None
) -> None:
    """Press keys and take a picture."""
    app = Dashboard(str(home), run=run, task=task)
    async with app.run_test(size=SIZE) as pilot:
        await _quiet(pilot)
        for key in keys:
            await pilot.press(key)
            await _quiet(pilot)
        picture = _FONT.sub("", app.export_screenshot(title=f"asyncflow: {name}", simplify=True))
    (to / f"{name}.svg").write_text(picture)


async def _quiet(pilot: Pilot[Leave]) -> None:
    for _ in range(20 if isinstance(pilot.app.focused, CardPane) else 6):  # a card is drawn in a thread
        await pilot.pause(0.05)


def main(to: Path) -> None:
    """Run the examples, take all pictures, leave nothing else."""
    to.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.gettempdir()) / "project"  # it is seen in the pictures
    place.mkdir(mode=0o700)
    try:
        home = place / ".asyncflow"
        home.mkdir(mode=0o700)
        prepare(home)
        asyncio.run(take_all(home, to))
        take_page(home, to / "card-server.png")
    finally:
        shutil.rmtree(place)


async def take_all(home: Path, to: Path) -> None:
    """Take a picture of each screen."""
    await take(home, "runs", ["j"], to, run=None)
    await take(home, "steps", ["j"], to, run=2)
    await take(home, "tasks", ["2", "j"], to, run=2)
    await take(home, "graph", ["3"], to, run=3)
    await take(home, "timeline", ["4"], to, run=3)
    await take(home, "events", ["5"], to, run=4)
    await take(home, "task", [], to, run=2, task=3)
    await take(home, "failure", [], to, run=4)
    await take(home, "compare", ["m", "j", "j", "c"], to, run=None)
    await take(home, "help", ["question_mark"], to, run=2)
    await take(home, "card-dashboard", ["c", "z", "g"], to, run=2, task=9)


def take_page(home: Path, to: Path) -> None:
    """Take a picture of the card server's page, in a Chromium that is installed."""
    from playwright.sync_api import sync_playwright

    line = [sys.executable, "-P", "-m", "asyncflow", "card", "server", "2"]
    environment = {**os.environ, "ASYNCFLOW_HOME": str(home)}
    with subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            url = server.stdout.readline().strip()
            with sync_playwright() as playwright:
                program = shutil.which("chromium") or "chromium"
                browser = playwright.chromium.launch(
                    executable_path=program, args=["--no-sandbox", "--disable-gpu"]
                )
                page = browser.new_page(viewport={"width": 1280, "height": 800})
                page.goto(f"{url}end/9/0/")
                page.wait_for_selector("#link[data-state='finished']")
                page.screenshot(path=to)
                browser.close()
        finally:
            server.terminate()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

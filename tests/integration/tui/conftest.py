"""A store with three runs of one flow, and ways to look at the dashboard's screen as text."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from asyncflow.tui.app import Dashboard, Leave

ZOO = Path(__file__).parent / "flows" / "zoo.py"
PATIENCE_S = 15.0


def command(home: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run a command beside the store."""
    environment = {**os.environ, "ASYNCFLOW_HOME": str(home), "ASYNCFLOW_USER": "ada"}
    line = [sys.executable, "-P", "-m", "asyncflow", *args]
    return subprocess.run(line, env=environment, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store: run 1 succeeded, 2 failed, 3 resumed it and failed again."""
    home = tmp_path_factory.mktemp("tui") / ".asyncflow"
    assert command(home, "run", str(ZOO), "--tag", "first", "--tag", "[bold]evil[/bold]").returncode == 0
    assert command(home, "run", str(ZOO), "--mode", "bad").returncode == 1
    assert command(home, "resume", "2").returncode == 1
    return home


class Looker:
    """A dashboard that is driven by keys and read as text."""

    def __init__(self, pilot: Pilot[Leave]) -> None:
        self.pilot = pilot

    @property
    def app(self) -> Dashboard:
        assert isinstance(self.pilot.app, Dashboard)
        return self.pilot.app

    @property
    def text(self) -> str:
        """The screen as it is seen."""
        screen = self.pilot.app.screen
        return "\n".join(strip.text.rstrip() for strip in screen._compositor.render_strips())

    async def press(self, *keys: str) -> None:
        """Press keys, and let what they do begin."""
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def sees(self, *texts: str) -> str:
        """Wait until the screen shows all of these; return it."""
        return await self.until(lambda: all(text in self.text for text in texts), f"to see {texts}")

    async def until(self, holds: Callable[[], bool], what: str = "for it") -> str:
        """Wait until something holds; return the screen."""
        give_up_at = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < give_up_at, f"waited {what} and saw:\n{self.text}"
            await self.pilot.pause(0.02)
        return self.text


@asynccontextmanager
async def looking(
    home: Path, *, size: tuple[int, int] = (120, 40), **options: object
) -> AsyncIterator[Looker]:
    """Open a dashboard on a store."""
    app = Dashboard(str(home), **options)  # type: ignore[arg-type]
    async with app.run_test(size=size, notifications=True) as pilot:
        yield Looker(pilot)  # type: ignore[arg-type]

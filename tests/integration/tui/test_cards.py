"""A task's cards beside its log: live while it runs, whole afterwards, whatever is on them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.tui.conftest import Looker, looking

CARDED = Path(__file__).parent / "flows" / "carded.py"


class Told:
    """What the running task is told to show."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.say("the first thing")

    def say(self, line: str) -> float:
        """Have a line shown; return when it was said."""
        with open(self.path, "a") as file:
            file.write(f"{line}\n")
        return time.monotonic()


@contextmanager
def running(home: Path, told: Path) -> Iterator[Told]:
    """Run the flow; it ends within."""
    words = Told(told)
    environment = {**os.environ, "ASYNCFLOW_HOME": str(home), "TOLD": str(told)}
    line = [sys.executable, "-P", "-m", "asyncflow", "run", str(CARDED)]
    with subprocess.Popen(
        line, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            while not (home / "asyncflow.db").exists():
                time.sleep(0.01)
            yield words
            words.say("end")
            assert process.wait(30) == 0
        finally:
            if process.poll() is None:
                process.kill()


async def until_run(look: Looker) -> None:
    await look.sees("CardedFlow")
    await look.press("enter")
    await look.sees("STEP")
    await look.press("2")
    await look.sees("TASK", "running")
    await look.press("enter")
    await look.sees("Log")


@pytest.mark.slow
async def test_the_cards_of_a_running_task_are_redrawn_as_it_shows_more(tmp_path: Path) -> None:
    home = tmp_path / ".asyncflow"
    with running(home, tmp_path / "told") as told:
        async with looking(home, size=(120, 60)) as look:
            await until_run(look)

            # The card takes the log's place.
            await look.press("c")
            await look.sees("Card · default", "1 of 2", "live", "What is told", "the first thing", "loss")

            # What is shown next is seen at once, in place.
            said = told.say("something new")
            await look.sees("something new", "the first thing")
            assert time.monotonic() - said < 2

            # The other card, and back to the log.
            await look.press("n")
            await look.sees("The other card", "2 of 2")
            await look.press("N")
            await look.sees("What is told")

            # At the end it is whole, and not live any more.
            told.say("end")
            await look.until(lambda: "live" not in look.text and "succeeded" in look.text, "for the end")
            await look.sees("something new")
            await look.press("c")
            await look.sees("Log ·")


async def test_a_task_without_a_card_has_the_default_one(home: Path) -> None:
    async with looking(home, run=1, task=1, size=(120, 60)) as look:
        await look.sees("Log")
        await look.press("c")
        await look.sees("Card · default", "◆ start", "unfold", "Task ──")
        await look.press("o", "G")
        await look.until(lambda: "folded" not in look.text, "for all to be unfolded")
        await look.press("z")
        await look.until(lambda: "ARTIFACT" not in look.text, "for the pane to have the whole screen")
        text = look.text
        await look.press("g")
        await look.until(lambda: look.text != text, "for the top")

"""A task's cards beside its log: live while it runs, whole afterwards, whatever is on them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.integration.cards.running import running
from tests.integration.tui.conftest import Looker, looking


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

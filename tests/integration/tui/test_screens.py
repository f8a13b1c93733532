"""Every screen shows what was run, and every key does what the help says."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from asyncflow.tui.keys import KEYS
from asyncflow.tui.logpane import LogPane
from tests.integration.tui.conftest import looking

SIZES = [(80, 24), (120, 40), (200, 60)]


async def test_the_list_of_runs_shows_all_of_them_newest_first(home: Path) -> None:
    async with looking(home, size=(200, 60)) as look:
        text = await look.sees("ZooFlow", "succeeded", "failed", "first")
        rows = [line.replace("▌", " ").split()[0] for line in text.splitlines() if "ZooFlow" in line]
        assert rows == ["3", "2", "1"]
        await look.press("j", "j", "enter")
        await look.sees("run 1", "1 Steps", "start", "gather")


async def test_the_list_is_filtered_by_words_and_fields(home: Path) -> None:
    async with looking(home) as look:
        await look.sees("ZooFlow")
        await look.press("slash", *"status:failed", "enter")
        await look.until(lambda: "succeeded" not in look.text, "for the filter")
        await look.press("slash", *(["backspace"] * 13), *"tag:first", "enter")
        await look.until(lambda: look.text.count("ZooFlow") == 1, "for the tag")


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_a_run_is_shown_in_five_ways(home: Path, size: tuple[int, int]) -> None:
    async with looking(home, run=1, size=size) as look:
        text = await look.sees("ZooFlow", "run 1", "succeeded", "start", "both")
        assert all(len(line) <= size[0] for line in text.splitlines())
        assert len(text.splitlines()) <= size[1]
        await look.press("2")
        await look.sees("each", "TASK")
        await look.press("3")
        await look.sees("left", "right", "▼")
        await look.press("4")
        await look.sees("WHAT", "TOOK")
        await look.press("5")
        await look.sees("RunCreated")
        await look.press("1")
        await look.sees("STEP", "PROGRESS")


async def test_a_failed_run_shows_the_failed_step_first_and_why(home: Path) -> None:
    async with looking(home, run=2) as look:
        text = await look.sees("failed", "each")
        rows = [line for line in text.splitlines() if "failed" in line and "each" in line]
        assert rows
        await look.press("2")
        await look.sees("failed", "KeyError")


async def test_a_task_shows_attempts_artifacts_and_its_log(home: Path) -> None:
    async with looking(home, run=1, task=1) as look:
        await look.sees("start/1", "numbers", "hostile", "list", "line 189 of the start")
        await look.press("question_mark")
        await look.sees("One task")
        await look.press("escape")
        await look.press("escape")
        await look.sees("1 Steps")


async def test_a_log_is_searched_filtered_and_walked(home: Path) -> None:
    async with looking(home, run=1, task=1) as look:
        await look.sees("line 189 of the start")
        while not isinstance(look.app.focused, LogPane):
            await look.press("tab")
        await look.press("slash", *"line 150", "enter")
        await look.sees("line 150 of the start")
        await look.press("e")
        await look.sees("ERROR: something looks wrong")
        await look.press("g")
        await look.sees("first line")
        await look.press("G")
        await look.sees("line 199 of the start")


async def test_two_runs_are_compared(home: Path) -> None:
    async with looking(home) as look:
        await look.sees("ZooFlow")
        await look.press("m", "j", "j", "c")
        await look.sees("mode", "bad", "good")


async def test_a_resume_is_planned_before_it_is_done(home: Path) -> None:
    async with looking(home, run=2) as look:
        await look.sees("failed")
        await look.press("r")
        await look.sees("asyncflow resume 2", "REUSED")
        await look.press("escape")
        await look.sees("1 Steps")
        assert look.app.return_value is None


async def test_what_would_change_a_run_that_is_over_or_is_read_only_is_refused(home: Path) -> None:
    async with looking(home, run=1) as look:
        await look.sees("succeeded")
        await look.press("x")
        await look.sees("does not run")
    async with looking(home, run=1, is_read_only=True) as look:
        await look.sees("succeeded")
        await look.press("x")
        await look.sees("read-only")


async def test_tags_are_put_on_and_taken_off(home: Path) -> None:
    async with looking(home) as look:
        await look.sees("ZooFlow")
        await look.press("t", *"seen,-none", "enter")
        await look.sees("Tags of run 3: seen")
        await look.press("t", *"-seen", "enter")
        await look.sees("Run 3 has no tags")


async def test_hostile_text_is_shown_as_text_everywhere(home: Path) -> None:
    async with looking(home, size=(200, 60)) as look:
        await look.sees("[bold]evil[/bold]")
    async with looking(home, run=1, task=1, size=(200, 60)) as look:
        while not isinstance(look.app.focused, LogPane):
            await look.press("tab")
        await look.press("g")
        text = await look.sees("[bold]markup[/bold]", "first line")
        assert not any(bad in text for bad in ("\x1b", "\x00", "\u202e", "\x07"))
    async with looking(home, run=2, size=(200, 60)) as look:
        await look.press("2")
        text = await look.sees("KeyError")
        assert not any(bad in text for bad in ("\x1b", "\x00", "\u202e", "\x07"))


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_help_fits_and_names_every_key_of_where_one_is(home: Path, size: tuple[int, int]) -> None:
    async with looking(home, run=1, size=size) as look:
        await look.sees("1 Steps")
        await look.press("question_mark")
        text = await look.sees("One run")
        assert all(len(line) <= size[0] for line in text.splitlines())
        seen = text
        for _ in range(12):
            await look.press("pagedown")
            seen += look.text
        missing = [key.help for key in KEYS if key.place == "run" and key.help[:20] not in seen]
        assert missing == []


async def test_every_key_of_every_place_can_be_pressed_without_harm(home: Path) -> None:
    left_out = ("app.leave", "app.ask_quit")
    names = [name for key in KEYS for name in key.keys.split(",") if key.action not in left_out]
    keys = list(dict.fromkeys(names))
    for options in ({}, {"run": 1}, {"run": 1, "task": 1}):
        async with looking(home, **options) as look:  # type: ignore[arg-type]
            await look.pilot.pause(0.2)
            await look.pilot.press(*keys)
            await look.pilot.pause()
            assert look.app.is_running


async def test_themes_go_round_and_one_is_for_the_colour_blind(home: Path) -> None:
    async with looking(home) as look:
        await look.sees("ZooFlow")
        first = look.app.theme
        seen = [first]
        for _ in range(10):
            await look.press("T")
            if look.app.theme == first:
                break
            seen.append(look.app.theme)
        assert len(seen) >= 3
        assert look.app.theme == first


async def test_without_colours_and_unicode_the_same_is_said_in_ascii(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("ASYNCFLOW_ASCII", "1")
    async with looking(home, run=2) as look:
        text = await look.sees("failed", "succeeded", "each")
        assert {character for character in text if not character.isascii()} == set()


async def test_a_run_or_a_store_that_is_not_there_is_said(home: Path) -> None:
    async with looking(home, run=99) as look:
        await look.sees("There is no run 99")


async def test_an_answer_that_comes_while_its_screen_goes_is_dropped(home: Path) -> None:
    # given a screen that has asked for something
    async with looking(home) as look:
        await look.sees("ZooFlow")
        await look.press("enter")
        await look.sees("1 Steps")
        screen, found = look.app.screen, []

        async def answer() -> None:
            while screen.query("#tasks"):  # noqa: ASYNC110 - nobody tells of it
                await asyncio.sleep(0)
            found.append("nothing")
            screen.query_one("#tasks")

        screen.run_worker(answer())
        # when it is left, and the answer comes after what it would be shown on has gone
        await look.press("escape")
        # then the dashboard goes on
        await look.until(lambda: bool(found) and "STARTED" in look.text)
        await look.press("enter")
        await look.sees("1 Steps")

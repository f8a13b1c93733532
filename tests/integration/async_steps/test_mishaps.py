"""Steps that do what an event loop cannot bear: each is named to the user, and the run ends as it should."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.place import Ended, Place
from tests.integration.async_steps.support import FLOWS, wait_until


@pytest.fixture
def place(tmp_path: Path) -> Place:
    shutil.copy(FLOWS / "nasty.py", tmp_path)
    return Place(tmp_path)


def _line_of(text: str) -> int:
    lines = (FLOWS / "nasty.py").read_text().splitlines()
    return next(number for number, line in enumerate(lines, start=1) if text in line)


def _log_of_act(place: Place) -> str:
    return place.run("logs", "latest/act").stdout


@pytest.mark.parametrize("what", ["block", "block_in_child"])
def test_a_step_that_blocks_the_loop_is_named_with_the_line_that_does(what: str, place: Place) -> None:
    assert place.run("run", "nasty.py", "--what", what).code == 0
    expected = f"HERE/nasty.py:{_line_of('- blocks')} in block: time.sleep(1.6)"
    log = _log_of_act(place)
    assert "the event loop of" in log
    assert expected in log


def test_a_task_that_a_step_leaves_running_is_cancelled_and_named(place: Place) -> None:
    ended = place.run("run", "nasty.py", "--what", "leak")
    assert ended.code == 0, ended.stdout
    log = _log_of_act(place)
    assert "left 1 asyncio task(s) running, which are cancelled" in log
    assert f"forever (HERE/nasty.py:{_line_of('async def forever')})" in log


def test_a_group_of_errors_is_retried_if_each_in_it_is_worth_it_and_printed_whole(place: Place) -> None:
    ended = place.run("run", "nasty.py", "--what", "group_to_retry")
    assert ended.code == 0, ended.stdout
    for word in ("several (2 sub-exceptions)", "ConnectionError: one", "KeyError: 'two'"):
        assert word in ended.stdout


def test_a_group_with_an_error_not_worth_a_retry_fails_the_run(place: Place) -> None:
    ended = place.run("run", "nasty.py", "--what", "group_to_fail")
    assert ended.code == 1
    assert "retry" not in ended.stdout.replace("will not be retried", "")
    assert "ValueError: two" in ended.stderr


@pytest.mark.parametrize("what", ["exit", "child_exits"])
def test_sys_exit_fails_the_task_that_calls_it_and_no_other(what: str, place: Place) -> None:
    ended = place.run("run", "nasty.py", "--what", what)
    assert ended.code == 1
    assert _failed(ended) == ["3"]
    assert "sys.exit(3)" in ended.stderr


def test_os_exit_loses_the_worker_with_every_task_in_it(place: Place) -> None:
    ended = place.run("run", "nasty.py", "--what", "exit_at_once")
    assert ended.code == 1
    assert _failed(ended) == ["2", "3"]
    assert "the async worker it ran in is gone: its process ended with exit code 3" in ended.stdout


def test_what_is_printed_outside_of_any_task_is_shown_with_the_worker_s_name(place: Place) -> None:
    ended = place.run("run", "nasty.py", "--what", "print_elsewhere")
    assert ended.code == 0, ended.stdout
    for text in ("from a bare thread", "from a program", "from another program"):
        assert f"[1/async-worker/1] {text}" in ended.stdout


def test_a_large_artifact_is_stored_as_any_other(place: Place) -> None:
    ended = place.run("run", "nasty.py", "--what", "large")
    assert ended.code == 0, ended.stdout
    assert "ended [0, 200000]" in ended.stdout


def test_a_cancelled_step_that_swallows_it_is_given_up_and_named(place: Place) -> None:
    ended = _cancelled(place, "swallow")
    assert "it catches asyncio.CancelledError and goes on" in ended.stdout
    assert f"It waits at HERE/nasty.py:{_line_of('await asyncio.sleep(3600)') + 6}" in ended.stdout


def test_a_cancelled_step_that_holds_the_loop_is_killed_with_its_worker(place: Place) -> None:
    ended = _cancelled(place, "hold_on")
    assert "3" in [
        line.split("/")[2].split(" ")[0] for line in ended.stdout.splitlines() if "was stopped" in line
    ]


def _cancelled(place: Place, what: str) -> Ended:
    process = place.start("run", "nasty.py", "--what", what, "--run-id-file", "id")
    wait_until(lambda: "ready" in place.run("logs", "latest/act").stdout, "the word `ready`")
    place.run("cancel", "latest", "--force")
    ended = place.end_of(process)
    assert ended.code == 130, ended.stdout + ended.stderr
    return ended


def _failed(ended: Ended) -> list[str]:
    lines = [line for line in ended.stdout.splitlines() if line.endswith("Task failed.")]
    return sorted(line.split("/")[2].split(" ")[0].rstrip("]") for line in lines)

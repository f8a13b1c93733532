"""Async steps in every graph form, beside plain ones: one process for all, and told apart in everything."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.cli.place import Ended, Place

FLOWS = Path(__file__).with_name("flows")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A store with one run of Forms in it."""
    place = Place(tmp_path_factory.mktemp("forms"))
    shutil.copy(FLOWS / "forms.py", place.root)
    return place


@pytest.fixture(scope="module")
def ended(place: Place) -> Ended:
    ended = place.run("run", "forms.py")
    assert ended.code == 0, ended.stdout + ended.stderr
    return ended


def _value(place: Place, name: str) -> Any:  # Any: the artifact
    """Return what `dump` shows of an artifact of the last join."""
    dumped = place.run("dump", "latest/meet", "--include", name)
    assert dumped.code == 0, dumped.stderr
    return ast.literal_eval(dumped.stdout.rpartition("] = ")[2].strip())


def test_the_run_succeeds_and_the_artifacts_are_those_of_plain_steps(ended: Ended) -> None:
    assert "done ['aa', 'bb', 'cc']" in ended.stdout


def test_what_a_task_prints_is_in_its_own_log_wherever_it_was_printed(place: Place, ended: Ended) -> None:
    logs = {
        word: place.run("logs", f"latest/each/{task}").stdout
        for word, task in zip("abc", _tasks(ended, "each"), strict=True)
    }
    for word, text in logs.items():
        others = {other for other in logs if other != word}
        for line in (
            f"awaited code says {word}",
            f"INFO logged {word}",
            f"says {word}",
            f"to stderr: {word}",
        ):
            assert line in text
        assert not any(f"awaited code says {other}" in text for other in others)


@pytest.mark.usefixtures("ended")
def test_tasks_share_one_process_and_plain_ones_have_their_own(place: Place) -> None:
    (shared,) = _value(place, "pids")
    assert shared not in (_value(place, "own_pid"), _value(place, "alone_pid"))


def test_each_task_sees_itself_in_current(place: Place, ended: Ended) -> None:
    run = _value(place, "paths")[0].split("/")[1]
    assert _value(place, "paths") == [f"Forms/{run}/each/{task}" for task in _tasks(ended, "each")]


@pytest.mark.usefixtures("ended")
def test_environment_variables_of_a_step_are_there_in_it_and_in_no_other(place: Place) -> None:
    assert _value(place, "place") == "here"
    assert _value(place, "has_place") is False


def test_a_timeout_is_caught_after_the_step_has_cleaned_up(place: Place, ended: Ended) -> None:
    assert "cleaned up" in ended.stdout
    assert "ran longer than its @timeout of 0.2 s" in _value(place, "problem")


def test_workers_are_fresh_interpreters_where_a_fork_is_unsafe(place: Place) -> None:
    ended = place.run("run", "forms.py", "--isolation", "spawn")
    assert ended.code == 0, ended.stdout + ended.stderr
    assert "done ['aa', 'bb', 'cc']" in ended.stdout


def test_several_workers_share_the_tasks(place: Place) -> None:
    ended = place.run("run", "forms.py", "--async-workers", "2")
    assert ended.code == 0, ended.stdout + ended.stderr
    assert len(_value(place, "pids")) == 2


def _tasks(ended: Ended, step: str) -> list[str]:
    """Return the task ids of a step, in the order they started."""
    words = [line.split("/")[2].split(" ")[0] for line in ended.stdout.splitlines() if f"/{step}/" in line]
    return list(dict.fromkeys(words))

"""`asyncflow logs`."""

from __future__ import annotations

import pytest

from tests.cli.place import Place

pytestmark = pytest.mark.slow

HEADED = "--- 2/repeat/2\n--- 2/measure/3\n"


def test_a_runs_logs_name_each_task_on_stderr(history: Place) -> None:
    ended = history.run("logs", "1")
    assert ended.stdout == "greeting 1 times\nmeasuring\nHello, world!\n"
    assert ended.stderr == "--- 1/repeat/2\n--- 1/measure/3\n--- 1/end/4\n"
    assert ended.code == 0


def test_one_task_needs_no_heading(history: Place) -> None:
    ended = history.run("logs", "1/repeat/2")
    assert (ended.stdout, ended.stderr, ended.code) == ("greeting 1 times\n", "", 0)


@pytest.mark.parametrize("path", ["Shapes/latest/work", "latest/work", "3/work", "Shapes/3/work/"])
def test_a_step_shows_the_last_attempt_of_each_task(history: Place, path: str) -> None:
    ended = history.run("logs", path, "--stdout")
    assert ended.stdout == "item a, attempt 0\nitem b, attempt 1\n"
    assert (ended.stderr, ended.code) == ("--- 3/work/2\n--- 3/work/3\n", 0)


def test_an_earlier_attempt_can_be_asked_for(history: Place) -> None:
    ended = history.run("logs", "3/work/3", "--attempt", "0", "--stdout")
    assert (ended.stdout, ended.stderr, ended.code) == ("item b, attempt 0\n", "", 0)


def test_an_attempt_that_was_never_made_is_told(history: Place) -> None:
    ended = history.run("logs", "3/work/3", "--attempt", "7")
    assert ended.stderr == (
        "Object not found:\n    Task 3/work/3 has no attempt 7: its last is 1\n    asyncflow logs 3/work/3\n"
    )
    assert (ended.stdout, ended.code) == ("", 2)


def test_one_stream_can_be_asked_for(history: Place) -> None:
    assert history.run("logs", "3/work/2", "--stderr").stdout == "to stderr\n"
    assert "to stderr" not in history.run("logs", "3/work/2", "--stdout").stdout
    assert history.run("logs", "3/work/2", "--stdout", "--stderr").stdout == "item a, attempt 0\nto stderr\n"


def test_times_can_be_put_in_front(history: Place) -> None:
    assert history.run("logs", "1/repeat/2", "--timestamps").stdout == "TIME greeting 1 times\n"


def test_a_last_line_without_newline_is_whole(history: Place) -> None:
    ended = history.run("logs", "3/end")
    assert (ended.stdout, ended.stderr, ended.code) == ("no newline at the end\n", "--- 3/end/8\n", 0)


def test_nothing_printed_is_said(history: Place) -> None:
    ended = history.run("logs", "1/start")
    assert (ended.stdout, ended.stderr, ended.code) == ("", "Nothing was printed by 1/start.\n", 0)


def test_following_a_run_that_has_ended_shows_it_whole(history: Place) -> None:
    ended = history.run("logs", "1", "--follow")
    assert ended.stdout == (
        "[1/repeat/2] greeting 1 times\n[1/measure/3] measuring\n[1/end/4] Hello, world!\n"
    )
    assert (ended.stderr, ended.code) == ("", 0)


def test_following_one_task_shows_every_attempt_of_it(history: Place) -> None:
    ended = history.run("logs", "3/work/3", "--follow", "--stdout")
    assert ended.stdout == "item b, attempt 0\nitem b, attempt 1\n"


def test_a_cloned_tasks_log_is_its_origins(place: Place) -> None:
    place.run("run", place.flow("letters"), "--ui", "none")
    assert place.run("resume", "1", "end", "--ui", "none").code == 0
    ended = place.run("logs", "2/repeat/2")
    assert (ended.stdout, ended.stderr, ended.code) == ("greeting 1 times\n", "", 0)

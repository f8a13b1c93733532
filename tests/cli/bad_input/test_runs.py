"""Runs, steps and tasks that do not exist: one clear message each, what is near, and what to type."""

from __future__ import annotations

import pytest

from tests.cli.place import Place

pytestmark = pytest.mark.slow

FORMS = "42, latest, Flow/42, Flow/latest, and with a step and a task: 42/train/7"

UNKNOWN = [
    ("99", "There is no run 99", "The newest are 3, 2, 1. List runs: asyncflow runs"),
    ("Lettrs/latest", "There is no run of flow Lettrs", "Did you mean Letters? List runs: asyncflow runs"),
    (
        "Zzz/1",
        "Run 1 is not of flow Zzz, but of Letters",
        "Write 1, or Letters/1. List runs: asyncflow runs --flow Zzz",
    ),
    (
        "Letters",
        "'Letters' is no run",
        "The latest run of a flow is Letters/latest. List runs: asyncflow runs",
    ),
    ("-5", None, None),
    ("1.5", "'1.5' is no run", f"A run is written {FORMS}. List runs: asyncflow runs"),
    ("1/start/1/2", "'1/start/1/2' is no run", f"A run is written {FORMS}. List runs: asyncflow runs"),
    ("\x1b[2J", "'\\x1b[2J' is no run", f"A run is written {FORMS}. List runs: asyncflow runs"),
    (
        "1/mesure",
        "Run 1 has no step 'mesure'",
        "Did you mean 1/measure? Its steps are start, repeat, measure, end.",
    ),
    ("1/zzz", "Run 1 has no step 'zzz'", "Its steps are start, repeat, measure, end."),
    ("3/work/99", "Step work of run 3 has no task 99", "It has 2, 3."),
    ("3/work/4", "Task 4 of run 3 is not of step work, but of join", "Write 3/join/4."),
    ("3/work/x", "'x' in '3/work/x' is no task: tasks are numbers", f"Write it like {FORMS}."),
    ("3/99", "Run 3 has no task 99", "It has 1, 2, 3, 4, 5, 6, 7, 8."),
    ("3/right/1", "Task 1 of run 3 is not of step right, but of start", "Write 3/start/1."),
    (
        "99999999999999999999999",
        "'99999999999999999999999' is no run",
        f"A run is written {FORMS}. List runs: asyncflow runs",
    ),
]


@pytest.mark.parametrize(("path", "message", "hint"), UNKNOWN, ids=[repr(row[0]) for row in UNKNOWN])
@pytest.mark.parametrize("command", ["logs", "dump"])
def test_what_is_not_there_is_told(
    history: Place, command: str, path: str, message: str | None, hint: str | None
) -> None:
    ended = history.run(command, path)
    if message is None:
        assert ended.stderr.endswith(f"Try 'asyncflow {command} --help' for help.\n")
    else:
        assert ended.stderr == f"Object not found:\n    {message}\n    {hint}\n"
    assert (ended.stdout, ended.code) == ("", 2)


@pytest.mark.parametrize("command", ["resume", "cancel"])
def test_a_run_that_is_not_there_cannot_be_steered(history: Place, command: str) -> None:
    ended = history.run(command, "99")
    assert ended.stderr == (
        "Object not found:\n    There is no run 99\n    The newest are 3, 2, 1. List runs: asyncflow runs\n"
    )
    assert (ended.stdout, ended.code) == ("", 2)


@pytest.mark.parametrize("command", ["runs", "logs", "dump", "resume", "cancel", "doctor"])
def test_a_place_without_runs_says_so(place: Place, command: str) -> None:
    args = {"runs": [], "doctor": []}.get(command, ["latest"])
    ended = place.run(command, *args)
    assert ended.stderr.startswith(
        "Object not found:\n    There is no run here: no store in HERE or above it\n"
    )
    assert (ended.stdout, ended.code) == ("", 2)


def test_a_run_that_has_ended_cannot_be_cancelled(history: Place) -> None:
    ended = history.run("cancel", "1")
    assert ended.stderr == "Invalid command:\n    Run 1 has ended already: it succeeded\n    asyncflow runs\n"
    assert (ended.stdout, ended.code) == ("", 2)

"""`asyncflow dump`."""

from __future__ import annotations

import pickle

import pytest

from tests.cli.place import Place, assert_golden

pytestmark = pytest.mark.slow


def test_a_tasks_artifacts_are_shown_by_name(history: Place) -> None:
    ended = history.run("dump", "1/measure/3")
    assert ended.stdout == (
        "greeting [size: 28 type: builtins.str] = 'Hello, world!'\n"
        "mean [size: 21 type: builtins.float] = 13.0\n"
        "text [size: 28 type: builtins.str] = 'Hello, world!'\n"
        "times [size: 5 type: builtins.int] = 1\n"
        "who [size: 20 type: builtins.str] = 'world'\n"
    )
    assert (ended.stderr, ended.code) == ("Dumping 1/measure/3\n", 0)


def test_values_that_cannot_be_shown_do_not_stop_the_others(history: Place) -> None:
    ended = history.run("dump", "3/join", "--private", "--include", "broken,large,point,results,_secret")
    assert_golden("dump/join", ended.stdout)
    assert (ended.stderr, ended.code) == ("Dumping 3/join/4\n", 0)


def test_private_artifacts_are_shown_when_asked_for(history: Place) -> None:
    assert "_secret" not in history.run("dump", "3/join/4").stdout
    assert "_secret [size: 5 type: builtins.int] = 1\n" in history.run("dump", "3/join/4", "--private").stdout


def test_the_size_from_which_values_are_left_out_can_be_given(history: Place) -> None:
    ended = history.run("dump", "3/join/4", "--include", "large", "--max-value-size", "6000")
    assert "x" * 5000 in ended.stdout
    assert "x" * 50 not in history.run("dump", "3/join/4", "--include", "large").stdout


def test_an_artifact_that_is_not_there_is_told(history: Place) -> None:
    ended = history.run("dump", "1/start", "--include", "nope,greeting")
    assert ended.stdout == "greeting [size: 28 type: builtins.str] = 'Hello, world!'\n"
    assert ended.stderr == "Dumping 1/start/1\n1/start/1 has no artifact 'nope'\n"
    assert ended.code == 0


def test_an_artifact_whose_type_is_gone_does_not_stop_the_others_but_fails_the_command(place: Place) -> None:
    place.run("run", place.flow("shapes"), "--ui", "none")
    (place.root / "shapes.py").unlink()
    ended = place.run("dump", "1/join/4", "--include", "point,results")
    lines = ended.stdout.splitlines()
    assert lines[0].startswith("point [size: ")
    assert "(cannot be loaded: " in lines[0]
    assert lines[1].endswith(" = ['A', 'B']")
    assert ended.code == 1


def test_a_step_is_saved_to_a_pickle(history: Place) -> None:
    ended = history.run("dump", "3/work", "--include", "result", "--file", "out.pickle")
    assert (ended.stdout, ended.stderr, ended.code) == ("", "Artifacts written to out.pickle\n", 0)
    saved = pickle.loads((history.root / "out.pickle").read_bytes())
    assert saved == {"3/work/2": {"result": "A"}, "3/work/3": {"result": "B"}}


def test_a_whole_run_is_too_much(history: Place) -> None:
    ended = history.run("dump", "1")
    assert ended.stderr == (
        "Invalid command:\n"
        "    '1' is a whole run; dump shows a step or a task of it\n"
        "    Write 1/STEP. Its steps: start, repeat, measure, end\n"
    )
    assert (ended.stdout, ended.code) == ("", 2)


def test_a_failed_task_shows_what_it_had_set(history: Place) -> None:
    ended = history.run("dump", "2/measure/3", "--include", "greeting")
    assert ended.stdout == "greeting [size: 28 type: builtins.str] = 'Hello, world!'\n"
    assert ended.code == 0

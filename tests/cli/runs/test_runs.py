"""`asyncflow runs`."""

from __future__ import annotations

import json
import re

import pytest

from tests.cli.place import Place

pytestmark = pytest.mark.slow


def test_runs_are_listed_newest_first(history: Place) -> None:
    ended = history.run("runs")
    steady = re.sub(r" +\d+(\.\d)?s\b", " DURATION", ended.stdout)
    assert re.sub(r" +TOOK", " TOOK", steady) == (
        "RUN  FLOW     STATUS     STARTED TOOK  TASKS  USER\n"
        "  3  Shapes   succeeded  SECOND DURATION    8/8  ada\n"
        "  2  Letters  failed     SECOND DURATION    2/3  ada\n"
        "  1  Letters  succeeded  SECOND DURATION    4/4  ada\n"
    )
    assert (ended.stderr, ended.code) == ("", 0)


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["--flow", "Letters"], [2, 1]),
        (["--status", "failed"], [2]),
        (["--tag", "first"], [1]),
        (["--tag", "first", "--tag", "kept"], [1]),
        (["--tag", "user:ada"], [3, 2, 1]),
        (["--user", "ada", "--limit", "1"], [3]),
        (["--user", "nobody"], []),
        (["--since", "1h"], [3, 2, 1]),
        (["--since", "2199-01-01"], []),
    ],
)
def test_filters_pick_runs(history: Place, args: list[str], expected: list[int]) -> None:
    ended = history.run("runs", "--json", *args)
    assert [row["run"] for row in json.loads(ended.stdout)] == expected
    assert (ended.stderr, ended.code) == ("", 0)


def test_a_flows_own_file_lists_its_own_runs(history: Place) -> None:
    ended = history.script("letters", "runs", "--json")
    assert [row["run"] for row in json.loads(ended.stdout)] == [2, 1]


def test_json_has_all_that_is_known(history: Place) -> None:
    failed = json.loads(history.run("runs", "--json", "--status", "failed").stdout)[0]
    assert failed["failed_step"] == "measure"
    assert failed["tasks"]["succeeded"] == 2
    first = json.loads(history.run("runs", "--json", "--tag", "first").stdout)[0]
    assert first["tags"] == ["first", "kept"]


def test_no_runs_is_said_and_is_no_error(history: Place) -> None:
    ended = history.run("runs", "--flow", "Nobody")
    assert (ended.stdout, ended.stderr, ended.code) == ("", "No runs.\n", 0)


def test_a_narrow_screen_is_honoured(history: Place) -> None:
    wide = history.start("runs").communicate()[0].decode().splitlines()
    narrow = Place(history.root, {"COLUMNS": "62"}).start("runs").communicate()[0].decode().splitlines()
    assert max(map(len, wide)) > 62
    assert max(map(len, narrow)) <= 62


def test_a_time_that_is_none_is_a_usage_error(history: Place) -> None:
    ended = history.run("runs", "--since", "soon")
    assert ended.stderr == (
        "Usage: asyncflow runs [OPTIONS]\n"
        "Error: Invalid value for '--since': 'soon' is no time: write 30m, 2h, 3d, 2026-01-31 or '2026-01-31 18:00'\n"
        "Try 'asyncflow runs --help' for help.\n"
    )
    assert (ended.stdout, ended.code) == ("", 2)


def test_a_place_without_a_store_says_what_to_do(place: Place) -> None:
    ended = place.run("runs")
    assert ended.stderr == (
        "Object not found:\n"
        "    There is no run here: no store in HERE or above it\n"
        "    Start one: asyncflow run FLOW.py. Is the store elsewhere? Change there, or set ASYNCFLOW_HOME.\n"
    )
    assert (ended.stdout, ended.code) == ("", 2)


def test_half_a_pipe_is_no_error(history: Place) -> None:
    process = history.start("runs", "--json")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr as stderr:
        assert stderr.read() == b""
    assert process.wait() == 0

"""`init`, and commands in Metaflow's words."""

from __future__ import annotations

import json

import pytest

from tests.cli.place import Place

pytestmark = pytest.mark.slow


def test_init_writes_a_flow_that_runs_and_leaves_a_file_alone(place: Place) -> None:
    assert place.run("init", "train.py").code == 0
    ended = place.run("run", "train.py", "--count", "4")
    assert ended.code == 0, ended.stderr
    assert "The sum is 14" in ended.stdout
    again = place.run("init", "train.py")
    assert again.code == 2
    assert "there already" in again.stderr


def test_logs_show_is_logs(history: Place) -> None:
    assert history.run("logs", "show", "1/end").stdout == history.run("logs", "1/end").stdout != ""
    assert history.run("logs", "show", "1/end", "--both").stdout == history.run("logs", "1/end").stdout


def test_output_dot_is_graph(place: Place) -> None:
    assert place.script("letters", "output-dot").stdout == place.run("graph", "letters.py").stdout


def test_output_raw_has_every_step(place: Place) -> None:
    shown = json.loads(place.script("letters", "output-raw", "--json").stdout)
    assert "repeat" in json.dumps(shown["graph"])
    assert "repeat" in place.script("letters", "output-raw").stdout


def test_options_before_the_command_are_metaflows(place: Place) -> None:
    ended = place.script(
        "letters", "--quiet", "--no-pylint", "--metadata", "local", "--datastore-root", "elsewhere", "run"
    )
    assert ended.code == 0, ended.stderr
    assert (place.root / "elsewhere" / "asyncflow.db").exists()
    assert place.script("letters", "--datastore", "s3", "run").code == 2


def test_the_runner_attribute_file_names_run_flow_and_store(place: Place) -> None:
    assert place.run("run", place.flow("shapes"), "--runner-attribute-file", "told.json").code == 0
    told = json.loads((place.root / "told.json").read_text())
    assert told["run_id"] == "1"
    assert told["flow_name"]
    assert told["metadata"].startswith("local@")


def test_help_is_a_command_too(place: Place) -> None:
    assert place.script("letters", "help").stdout == place.script("letters", "--help").stdout != ""


def test_a_command_of_metaflows_that_is_missing_is_named_with_the_page_that_tells_more(place: Place) -> None:
    ended = place.script("letters", "argo-workflows", "create")
    assert ended.code == 2
    assert "Metaflow's command 'argo-workflows' is not here" in ended.stderr
    assert "docs/compatibility.md" in ended.stderr


def test_one_stream_is_left_out_in_metaflows_words(history: Place) -> None:
    whole = history.run("logs", "1/end", "--stdout").stdout
    assert history.run("logs", "show", "1/end", "--no-stderr").stdout == whole


def test_what_is_logged_and_watched_is_asked_for_by_the_only_name_there_is(place: Place) -> None:
    assert (
        place.script(
            "letters", "--event-logger", "nullSidecarLogger", "--monitor", "nullSidecarMonitor", "show"
        ).code
        == 0
    )
    assert "nullSidecarLogger" in place.script("letters", "--event-logger", "debugLogger", "show").stderr

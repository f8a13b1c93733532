"""`asyncflow run`."""

from __future__ import annotations

import json

import pytest

from tests.cli.place import Place, assert_golden

pytestmark = pytest.mark.slow

STARTED = """\
TIME Workflow starting (run-id 1):
TIME [1/start/1 (pid PID)] Task is starting.
TIME [1/start/1 (pid PID)] Task finished successfully.
TIME [1/repeat/2 (pid PID)] Task is starting.
"""

SUCCEEDED = f"""\
{STARTED}TIME [1/repeat/2 (pid PID)] greeting 2 times
TIME [1/repeat/2 (pid PID)] Task finished successfully.
TIME [1/measure/3 (pid PID)] Task is starting.
TIME [1/measure/3 (pid PID)] measuring
TIME [1/measure/3 (pid PID)] Task finished successfully.
TIME [1/end/4 (pid PID)] Task is starting.
TIME [1/end/4 (pid PID)] Hello, Ada! Hello, Ada!
TIME [1/end/4 (pid PID)] Task finished successfully.
TIME Done!
"""

FAILED = f"""\
{STARTED}TIME [1/repeat/2 (pid PID)] greeting 0 times
TIME [1/repeat/2 (pid PID)] Task finished successfully.
TIME [1/measure/3 (pid PID)] Task is starting.
TIME [1/measure/3 (pid PID)] measuring
TIME [1/measure/3 (pid PID)] Traceback (most recent call last):
TIME [1/measure/3 (pid PID)]   File "HERE/letters.py", line 31, in measure
TIME [1/measure/3 (pid PID)]     self.mean = len(self.text) / self.times
TIME [1/measure/3 (pid PID)]                 ~~~~~~~~~~~~~~~^~~~~~~~~~~~
TIME [1/measure/3 (pid PID)] ZeroDivisionError: division by zero
TIME [1/measure/3 (pid PID)] Task failed.
TIME [1/measure/3 (pid PID)] This failed task will not be retried.
TIME Workflow failed.
"""

ROOT_CAUSE = """\
Step failure:
    Step measure (task-id 3) failed.

    Traceback (most recent call last):
      File "HERE/letters.py", line 31, in measure
        self.mean = len(self.text) / self.times
                    ~~~~~~~~~~~~~~~^~~~~~~~~~~~
    ZeroDivisionError: division by zero

    It printed before that (all of it: asyncflow logs 1/measure/3):
        measuring

When it is corrected, go on; what went well is not run again:
    asyncflow resume 1
"""


def test_a_run_is_told_in_metaflows_words(place: Place) -> None:
    ended = place.run("run", place.flow("letters"), "--who", "Ada", "--times", "2")
    assert (ended.stdout, ended.stderr, ended.code) == (SUCCEEDED, "", 0)


def test_a_flows_own_file_is_the_same_command(place: Place) -> None:
    ended = place.script("letters", "run", "--who", "Ada", "--times", "2")
    assert (ended.stdout, ended.stderr, ended.code) == (SUCCEEDED, "", 0)


def test_a_failed_run_ends_with_the_root_cause_and_what_to_type(place: Place) -> None:
    ended = place.run("run", place.flow("letters"), "--times", "0")
    assert (ended.stdout, ended.stderr, ended.code) == (FAILED, ROOT_CAUSE, 1)


def test_retries_fallbacks_and_foreaches_are_told(place: Place) -> None:
    ended = place.run("run", place.flow("shapes"), "--max-workers", "1")
    assert_golden("run/shapes", ended.stdout)
    assert (ended.stderr, ended.code) == ("", 0)


def test_the_json_ui_writes_one_event_a_line(place: Place) -> None:
    ended = place.run("run", place.flow("letters"), "--ui", "json")
    rows = [json.loads(line) for line in ended.stdout.splitlines()]
    events = [row for row in rows if "event" in row]
    assert [row["seq"] for row in events] == list(range(len(events)))
    assert (events[0]["event"], events[0]["run"]) == ("RunCreated", 1)
    assert (events[-1]["event"], events[-1]["status"]) == ("RunFinished", "succeeded")
    printed = [row["text"] for row in rows if row.get("notice") == "LogLines" and row["task"] == 3]
    assert printed == ["measuring\n"]
    assert (ended.stderr, ended.code) == ("", 0)


def test_no_ui_shows_nothing_but_the_root_cause(place: Place) -> None:
    assert place.run("run", place.flow("letters"), "--ui", "none").stdout == ""
    ended = place.run("run", place.flow("letters"), "--ui", "none", "--times", "0")
    assert ended.stdout == ""
    assert ended.stderr.startswith("Step failure:")


def test_the_run_id_is_in_the_file_asked_for(place: Place) -> None:
    place.run("run", place.flow("letters"), "--ui", "none")
    place.run("run", place.flow("letters"), "--ui", "none", "--run-id-file", "id.txt")
    assert (place.root / "id.txt").read_text() == "2"


def test_options_may_stand_before_the_file(place: Place) -> None:
    ended = place.run("run", "--max-workers", "2", "--ui", "none", place.flow("letters"), "--times", "3")
    assert (ended.stdout, ended.stderr, ended.code) == ("", "", 0)
    row = json.loads(place.run("runs", "--json").stdout)[0]
    assert row["meta"]["argv"][-2:] == ["--times", "3"]


def test_with_attaches_a_decorator(place: Place) -> None:
    ended = place.run(
        "run", place.flow("letters"), "--times", "0", "--with", "retry:times=1,minutes_between_retries=0"
    )
    assert "TIME [1/measure/3 (pid PID)] Task is starting (retry).\n" in ended.stdout
    assert "Step measure (task-id 3) failed after 2 attempts." in ended.stderr
    assert ended.code == 1


def test_with_may_stand_before_the_command_of_a_flows_own_file(place: Place) -> None:
    ended = place.script(
        "letters", "--with", "retry:times=1,minutes_between_retries=0", "run", "--times", "0"
    )
    assert "Task is starting (retry)." in ended.stdout
    assert ended.code == 1


def test_parameters_come_from_the_environment_too(place: Place) -> None:
    place.extra["METAFLOW_RUN_WHO"] = "Grace"
    assert "Hello, Grace!" in place.run("run", place.flow("letters")).stdout


@pytest.mark.parametrize("name", ["run", "run letters"])
def test_help_lists_the_parameters_first(place: Place, name: str) -> None:
    args = ["run", *([place.flow("letters")] if " " in name else []), "--help"]
    ended = place.run(*args)
    assert_golden(f"help/{name.replace(' ', '-')}", ended.stdout)
    assert (ended.stderr, ended.code) == ("", 0)

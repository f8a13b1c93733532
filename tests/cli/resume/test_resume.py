"""`asyncflow resume`."""

from __future__ import annotations

import json
import os
import signal
import sys
import time

import pytest

from tests.cli.place import Place

pytestmark = pytest.mark.slow

WAITING = """\
import os, time
from asyncflow import FlowSpec, step

class Waiting(FlowSpec):
    @step
    def start(self):
        print("start runs")
        self.next(self.wait)

    @step
    def wait(self):
        while not os.path.exists("go"):
            time.sleep(0.02)
        print("waited")
        self.next(self.end)

    @step
    def end(self):
        pass
"""


@pytest.fixture
def failed(place: Place) -> Place:
    """A place with run 1, whose third step failed; the flow's file is correct by now."""
    assert place.run("run", place.flow("letters"), "--times", "0", "--who", "Ada").code == 1
    file = place.root / "letters.py"
    file.write_text(file.read_text().replace("/ self.times", "/ max(self.times, 1)"))
    return place


def interrupted(place: Place) -> Place:
    """Run the waiting flow, and kill its scheduler while the second step waits."""
    (place.root / "waiting.py").write_text(WAITING)
    process = place.start("run", "waiting.py")
    assert process.stdout is not None
    for line in process.stdout:
        if b"[1/wait/2 " in line:
            break
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    return place


def statuses(place: Place) -> dict[int, str]:
    return {row["run"]: row["status"] for row in json.loads(place.run("runs", "--json").stdout)}


def test_a_failed_run_gives_a_new_one_that_takes_over_what_went_well(failed: Place) -> None:
    ended = failed.run("resume", "1")
    assert ended.stdout == (
        "TIME Workflow starting (run-id 2):\n"
        "TIME Cloned 2 tasks of run 1: start, repeat.\n"
        "TIME [2/measure/3 (pid PID)] Task is starting.\n"
        "TIME [2/measure/3 (pid PID)] measuring\n"
        "TIME [2/measure/3 (pid PID)] Task finished successfully.\n"
        "TIME [2/end/4 (pid PID)] Task is starting.\n"
        "TIME [2/end/4 (pid PID)] \n"
        "TIME [2/end/4 (pid PID)] Task finished successfully.\n"
        "TIME Done!\n"
    )
    assert (ended.stderr, ended.code) == ("", 0)
    assert "who [size: 18 type: builtins.str] = 'Ada'\n" in failed.run("dump", "2/end").stdout, (
        "its parameters"
    )


def test_the_plan_says_what_is_reused_and_why_the_rest_is_run(failed: Place) -> None:
    ended = failed.run("resume", "latest", "--dry-run")
    assert ended.stdout == (
        "STEP     REUSED  RE-RUN  WHY\n"
        "start         1       0\n"
        "repeat        1       0\n"
        "measure       0       1  1 failed\n"
        "end           0       0  has not run yet\n"
    )
    assert (ended.stderr, ended.code) == ("A new run would take over the work of run 1:\n", 0)
    assert statuses(failed) == {1: "failed"}, "nothing was run"


def test_a_step_and_all_after_it_run_again(place: Place) -> None:
    place.run("run", place.flow("letters"), "--ui", "none")
    plan = place.run("resume", "1", "measure", "--dry-run")
    assert plan.stdout == (
        "STEP     REUSED  RE-RUN  WHY\n"
        "start         1       0\n"
        "repeat        1       0\n"
        "measure       0       1  asked for\n"
        "end           0       1  comes after measure\n"
    )
    ended = place.run("resume", "1", "measure")
    assert "TIME Cloned 2 tasks of run 1: start, repeat.\n" in ended.stdout
    assert "TIME [2/measure/3 (pid PID)] Task is starting.\n" in ended.stdout
    assert ended.code == 0


def test_a_run_that_succeeded_is_cloned_whole(place: Place) -> None:
    place.run("run", place.flow("letters"), "--ui", "none")
    ended = place.run("resume", "Letters/latest")
    assert ended.stdout == (
        "TIME Workflow starting (run-id 2):\n"
        "TIME Cloned 4 tasks of run 1: start, repeat, measure, end.\n"
        "TIME Done!\n"
    )
    assert (ended.stderr, ended.code) == ("", 0)


def test_an_interrupted_run_goes_on_under_its_own_id(place: Place) -> None:
    interrupted(place)
    assert statuses(place) == {1: "interrupted"}
    plan = place.run("resume", "1", "--dry-run")
    assert plan.stdout == (
        "STEP   REUSED  RE-RUN  WHY\n"
        "start       1       0\n"
        "wait        0       1  1 had not ended\n"
        "end         0       0  has not run yet\n"
    )
    assert (plan.stderr, plan.code) == ("Run 1 would go on under its own id:\n", 0)
    (place.root / "go").touch()
    ended = place.run("resume", "1")
    lines = ended.stdout.splitlines()
    assert lines[0] == "TIME Workflow continuing (run-id 1):"
    assert "TIME [1/wait/2 (pid PID)] Task is starting (retry)." in lines
    assert "start runs" not in ended.stdout
    assert lines[-1] == "TIME Done!"
    assert (ended.stderr, ended.code) == ("", 0)
    assert statuses(place) == {1: "succeeded"}


def test_an_interrupted_run_whose_graph_changed_gives_a_new_one(place: Place) -> None:
    interrupted(place)
    (place.root / "waiting.py").write_text(
        WAITING.replace("self.next(self.end)", "self.next(self.more)")
        + "\n    @step\n    def more(self):\n        self.next(self.end)\n"
    )
    (place.root / "go").touch()
    ended = place.run("resume", "1")
    assert ended.stderr == "A new run takes over the work of run 1, because the flow's graph has changed.\n"
    assert "TIME Cloned 1 task of run 1: start.\n" in ended.stdout
    assert ended.code == 0
    assert statuses(place)[2] == "succeeded"


def test_steps_of_an_interrupted_run_can_run_again_in_a_new_one(place: Place) -> None:
    interrupted(place)
    (place.root / "go").touch()
    ended = place.run("resume", "1", "start")
    assert (
        ended.stderr == "A new run takes over the work of run 1, because steps of run 1 are to run again.\n"
    )
    assert "start runs" in ended.stdout
    assert ended.code == 0


def test_a_run_that_runs_is_left_alone(place: Place) -> None:
    (place.root / "waiting.py").write_text(WAITING)
    process = place.start("run", "waiting.py", "--run-id-file", "id")
    deadline = time.monotonic() + 20
    while not (place.root / "id").exists() or not statuses(place):
        assert time.monotonic() < deadline
    ended = place.run("resume", "1")
    assert ended.stderr.startswith(f"Invalid command:\n    Run 1 is running: process {process.pid} on ")
    assert ended.stderr.endswith(
        " drives it\n    Watch it: asyncflow logs 1 --follow\n    Stop it: asyncflow cancel 1\n"
    )
    assert (ended.stdout, ended.code) == ("", 2)
    (place.root / "go").touch()
    assert place.end_of(process).code == 0


def test_options_that_are_not_given_are_those_the_run_had(place: Place) -> None:
    place.run(
        "run", place.flow("letters"), "--times", "0", "--max-workers", "3", "--keep-going", "--ui", "none"
    )
    place.run("resume", "1", "--ui", "none")
    place.run("resume", "1", "--ui", "none", "--max-workers", "5")
    events = place.run("resume", "3", "--ui", "json", "--failure-grace", "1").stdout.splitlines()
    limits = json.loads(events[0])["limits"]
    assert (limits["slots"], limits["keep_going"], limits["failure_grace_s"]) == (5, True, 1.0)


def test_a_flows_own_file_resumes_its_latest_run(failed: Place) -> None:
    done = failed.run("resume", program=(sys.executable, "letters.py"))
    assert "TIME Cloned 2 tasks of run 1: start, repeat.\n" in done.stdout
    assert (done.stderr, done.code) == ("", 0)
    again = failed.run(
        "resume", "measure", "--origin-run-id", "2", "--dry-run", program=(sys.executable, "letters.py")
    )
    assert "measure       0       1  asked for\n" in again.stdout


def test_another_file_can_be_named(failed: Place) -> None:
    (failed.root / "letters.py").rename(failed.root / "moved.py")
    lost = failed.run("resume", "1")
    assert lost.stderr == (
        "Object not found:\n"
        "    The flow's file is not where it was: HERE/letters.py\n"
        "    Name the file as it is now: --file FLOW.py\n"
    )
    assert (lost.stdout, lost.code) == ("", 2)
    assert failed.run("resume", "1", "--file", "moved.py", "--ui", "none").code == 0


def test_a_step_that_is_none_names_those_there_are(failed: Place) -> None:
    ended = failed.run("resume", "1", "mesure")
    assert ended.stderr == (
        "Object not found:\n"
        "    Flow Letters has no step 'mesure'\n"
        "    Did you mean measure? Its steps are start, repeat, measure, end.\n"
    )
    assert (ended.stdout, ended.code) == ("", 2)


def test_parameters_cannot_be_given(failed: Place) -> None:
    ended = failed.run("resume", "1", "--times", "3")
    assert "No such option '--times'" in ended.stderr
    assert ended.code == 2

"""`asyncflow limits`: a living run gets wider, and what runs share is listed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.place import Place

pytestmark = pytest.mark.slow


class Patient:
    """A run with one task at a time, which is ready and waits."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.process = place.start("run", place.flow("patient"), "--max-workers", "1")
        self.seen = b""
        self.read_until(rb"ready")

    def read_until(self, pattern: bytes, count: int = 1) -> None:
        assert self.process.stdout is not None
        while len(re.findall(pattern, self.seen)) < count:
            line = self.process.stdout.readline()
            assert line, self.seen.decode()
            self.seen += line

    def go(self) -> int:
        (self.place.root / "go").touch()
        return self.place.end_of(self.process).code


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Patient]:
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    home = str(tmp_path / "store")
    running = Patient(Place(tmp_path, {"XDG_RUNTIME_DIR": str(runtime), "ASYNCFLOW_HOME": home}))
    try:
        yield running
    finally:
        running.process.kill()
        running.process.communicate()


def test_a_living_run_gets_wider_and_says_so(patient: Patient) -> None:
    ended = patient.place.run("limits", "1", "--max-workers", "3")
    assert (ended.stdout, ended.stderr, ended.code) == (
        "Run 1: up to 3 tasks at a time, before it was 1.\n",
        "",
        0,
    )
    patient.read_until(rb"ready", 3)
    assert b"From here on up to 3 tasks may run at a time." in patient.seen
    shown = patient.place.run("limits", "1").stdout
    assert shown == "Run 1: up to 3 tasks at a time.\nRun 1: up to 1,000 async tasks at a time.\n"
    assert json.loads(patient.place.run("limits", "1", "--json").stdout)["slots"] == 3
    assert json.loads(patient.place.run("runs", "--json").stdout)[0]["limits"]["slots"] == 3
    assert patient.go() == 0


def test_what_runs_share_is_listed_with_who_holds_it(patient: Patient) -> None:
    pid = str(patient.process.pid)
    listed = patient.place.run("limits")
    first, *_ = [line.split() for line in listed.stdout.splitlines()[1:]]
    assert first == ["gate", "7", "at", "a", "time", "Patient/1", pid, "1", "0"]
    shared = json.loads(patient.place.run("limits", "--json").stdout)
    assert shared[0] == {
        "key": "gate",
        "limit": 7,
        "per_s": None,
        "holders": [{"run": "Patient/1", "pid": int(pid), "holds": 1, "waits_for": 0}],
    }
    assert patient.go() == 0
    assert patient.place.run("limits").stderr == (
        "No run on this machine uses @concurrency or @rate_limit now.\n"
    )


def test_a_run_that_was_killed_holds_nothing(patient: Patient) -> None:
    patient.process.kill()
    patient.process.communicate()
    assert patient.place.run("limits", "--json").stdout == "[]\n"
    ended = patient.place.run("limits", "1", "--max-workers", "2")
    assert "is interrupted" in ended.stderr
    assert "asyncflow resume 1 --max-workers N" in ended.stderr
    assert ended.code == 2


def test_a_run_that_has_ended_is_refused(history: Place) -> None:
    ended = history.run("limits", "1", "--max-workers", "2")
    assert "Run 1 has ended already: it succeeded" in ended.stderr
    assert ended.code == 2


def test_without_a_run_nothing_can_be_changed(history: Place) -> None:
    ended = history.run("limits", "--max-workers", "2")
    assert "Which run is to have another limit?" in ended.stderr
    assert ended.code == 2


def test_show_says_what_a_step_is_limited_to(tmp_path: Path) -> None:
    place = Place(tmp_path)
    shown = place.run("show", place.flow("patient")).stdout
    assert "    At most 7 at a time, together with all that has the key gate.\n" in shown
    assert "    At most 100 starts per second, together with all that has the key gate.\n" in shown

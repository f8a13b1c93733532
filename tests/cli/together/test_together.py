"""Several people and several commands at one store at the same time: nothing is mixed up, nothing is locked out."""

from __future__ import annotations

import json
import time
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest

from asyncflow import Flow, Run, metadata, namespace
from asyncflow.client.place import default_metadata, default_namespace
from tests.cli.place import Place

pytestmark = pytest.mark.slow

FLOW = """
import os, time
from asyncflow import FlowSpec, Parameter, step

class Shared(FlowSpec):
    who = Parameter("who", default="nobody")
    width = Parameter("width", default=30)
    wait = Parameter("wait", default=False, type=bool)

    @step
    def start(self):
        self.items = [f"{self.who}{number}" for number in range(self.width)]
        self.next(self.work, foreach="items")

    @step
    def work(self):
        while self.wait and not os.path.exists("go"):
            time.sleep(0.02)
        self.made = (self.who, self.input)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.all = [one.made for one in inputs]
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    Shared()
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "shared.py").write_text(FLOW)
    return tmp_path


def of(root: Path, user: str) -> Place:
    return Place(root, {"ASYNCFLOW_HOME": str(root / "store"), "ASYNCFLOW_USER": user})


def rows(place: Place) -> dict[int, dict[str, Any]]:
    return {row["run"]: row for row in json.loads(place.run("runs", "--json").stdout)}


def wait_until_running(place: Place, run: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = rows(place).get(run) if (place.root / "store/asyncflow.db").exists() else None
        if found is not None and found["tasks"]["running"] >= 2:
            return
        time.sleep(0.05)
    raise AssertionError(f"run {run} does not run")


def no_lock_was_met(*outputs: str) -> bool:
    return not any("lock" in output.lower() or "busy" in output.lower() for output in outputs)


def test_eight_runs_of_two_people_at_once_each_have_their_own(root: Path) -> None:
    people = [("ada", of(root, "ada")), ("grace", of(root, "grace"))] * 4
    started: list[tuple[str, Place, Popen[bytes]]] = []
    for number, (who, place) in enumerate(people):
        started.append(
            (f"{who}-{number}-", place, place.start("run", "shared.py", "--who", f"{who}-{number}-"))
        )
    ended = [(who, place.end_of(process)) for who, place, process in started]
    assert [one.code for _, one in ended] == [0] * 8
    assert no_lock_was_met(*(one.stderr for _, one in ended))
    metadata(str(root / "store"))
    try:
        for user in ("ada", "grace"):
            namespace(f"user:{user}")
            runs = list(Flow("Shared"))
            assert len(runs) == 4
            for run in runs:
                who = run.data.who
                assert who.startswith(user)
                assert run["join"].task.data.all == [(who, f"{who}{number}") for number in range(30)]
        namespace(None)
        assert sorted(int(run.id) for run in Flow("Shared")) == list(range(1, 9))
    finally:
        default_metadata()
        default_namespace()
    assert of(root, "ada").run("doctor", "--thorough").code == 0


def test_other_commands_beside_a_running_run_neither_wait_nor_disturb(root: Path) -> None:
    place, other = of(root, "ada"), of(root, "grace")
    assert place.run("run", "shared.py", "--who", "first", "--ui", "none").code == 0
    running = place.start("run", "shared.py", "--who", "second", "--width", "4", "--wait", "true")
    wait_until_running(place, 2)
    said = [
        other.run("spin", "shared.py", "1/join"),
        other.run("resume", "1", "join"),
        other.run("tag", "add", "2", "looked-at"),
        other.run("run", "shared.py", "--who", "third", "--ui", "none"),
        other.run("why", "1/join"),
        other.run("dump", "1/join"),
        other.run("diff", "1", "1"),
        other.run("gc", "--keep-last", "10", "--grace", "0"),
    ]
    assert [one.code for one in said] == [0] * len(said), [one.stderr for one in said]
    assert no_lock_was_met(*(one.stdout + one.stderr for one in said))
    refused = other.run("resume", "2")
    assert (refused.code, "is running" in refused.stderr) == (2, True)
    (root / "go").touch()
    ended = place.end_of(running)
    assert ended.code == 0, ended.stderr
    assert no_lock_was_met(ended.stderr)
    table = rows(place)
    assert {run: row["status"] for run, row in table.items()} == dict.fromkeys((1, 2, 3, 4), "succeeded")
    assert {run: row["user"] for run, row in table.items()} == {1: "ada", 2: "ada", 3: "grace", 4: "grace"}
    metadata(str(root / "store"))
    namespace(None)
    try:
        assert "looked-at" in Run("Shared/2").tags
        assert Run("Shared/2")["join"].task.data.all == [("second", f"second{number}") for number in range(4)]
    finally:
        default_metadata()
        default_namespace()
    assert place.run("doctor", "--thorough").code == 0

"""`tag list` of several runs, by run and by tag; Metaflow's words for it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cli.place import Place

FLOW = """
from asyncflow import FlowSpec, step

class {name}(FlowSpec):
    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    {name}()
"""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Runs 1 and 2 of OneFlow, by ada and by grace, and run 3 of OtherFlow."""
    place = Place(tmp_path, {"ASYNCFLOW_HOME": str(tmp_path / "store"), "METAFLOW_USER": "ada"})
    for file, name in (("one.py", "OneFlow"), ("other.py", "OtherFlow")):
        (tmp_path / file).write_text(FLOW.format(name=name))
    grace = Place(tmp_path, {**place.extra, "METAFLOW_USER": "grace"})
    assert place.run("run", "one.py", "--tag", "good", "--tag", "first").code == 0
    assert grace.run("run", "one.py", "--tag", "good").code == 0
    assert place.run("run", "other.py", "--tag", "last").code == 0
    return place


def listed(place: Place, *options: str, script: str = "") -> list[str]:
    program = (sys.executable, script) if script else ("asyncflow",)
    ended = place.run(
        "tag", "list", "--hide-system-tags", *options, **({"program": program} if script else {})
    )
    assert ended.code == 0, ended.stderr
    return ended.stdout.splitlines()


def test_of_several_runs_each_tag_is_listed_once_or_they_are_grouped(place: Place) -> None:
    assert listed(place) == ["last"]
    assert listed(place, "1") == ["first", "good"]
    assert sorted(listed(place, "--all")) == ["first", "good", "last"]
    by_run = ["OtherFlow/3", "    last", "OneFlow/2", "    good", "OneFlow/1", "    first", "    good"]
    assert listed(place, "--all", "--group-by-run") == by_run
    by_tag = ["first", "    OneFlow/1", "good", "    OneFlow/2", "    OneFlow/1", "last", "    OtherFlow/3"]
    assert listed(place, "--all", "--group-by-tag") == by_tag
    assert listed(place, "--my-runs", "--group-by-run") == by_run[:2] + by_run[4:]


def test_in_a_flows_own_file_it_is_about_that_flow(place: Place) -> None:
    assert listed(place, script="one.py") == ["good"]
    assert listed(place, "--run-id", "1", script="one.py") == ["first", "good"]
    assert listed(place, "1", script="one.py") == ["first", "good"]
    assert sorted(listed(place, "--all", script="one.py")) == ["first", "good"]


def test_what_excludes_each_other_is_refused(place: Place) -> None:
    assert "exclude each other" in place.run("tag", "list", "--flat", "--group-by-tag").stderr
    assert "Run 1 is asked for, and others" in place.run("tag", "list", "1", "--all").stderr

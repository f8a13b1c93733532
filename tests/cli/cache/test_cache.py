"""`@cache` and `asyncflow why`: what is made of the same is not made again, and what is not, is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from asyncflow import Run, metadata, namespace
from asyncflow.client.place import default_metadata, default_namespace
from tests.cli.place import Place

pytestmark = pytest.mark.slow
FLOWS = Path(__file__).with_name("flows")
ALWAYS = ["never", "named"]
"""Steps of the flow that run each time: its result is never young enough; it asks for the run's id."""


class Cached:
    """A directory with the flow, and what ran in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.place = Place(root, {"ASYNCFLOW_HOME": str(root / "store")})
        for file in FLOWS.glob("*.py"):
            shutil.copy(file, root)
        (root / "data.txt").write_text("1")

    def run(self, *options: str, place: Place | None = None) -> list[str]:
        """Run the flow; return what ran, sorted."""
        ran = self.root / "ran.txt"
        ran.unlink(missing_ok=True)
        ended = (place or self.place).run("run", "memo.py", "--ui", "plain", *options)
        assert ended.code == 0, ended.stdout + ended.stderr
        self.said = ended.stdout
        return sorted(ran.read_text().splitlines()) if ran.exists() else []

    def change(self, file: str, old: str, new: str) -> None:
        """Change a file of the user's."""
        text = (self.root / file).read_text()
        assert old in text
        (self.root / file).write_text(text.replace(old, new))

    def why(self, path: str) -> dict[str, Any]:
        """Return what `why` says, as data."""
        ended = self.place.run("why", path, "--json")
        assert ended.code == 0, ended.stderr
        told: dict[str, Any] = json.loads(ended.stdout)
        return told

    def data(self, run: int, step: str = "end") -> Any:
        """Return the artifacts of a step's task."""
        metadata(str(self.root / "store"))
        namespace(None)
        try:
            return Run(f"MemoFlow/{run}")[step].task.data
        finally:
            default_metadata()
            default_namespace()


@pytest.fixture
def cached(tmp_path: Path) -> Cached:
    cached = Cached(tmp_path)
    assert len(cached.run()) == 16  # thirteen steps, two children more, one try more
    return cached


def test_a_second_run_of_the_same_runs_only_what_may_never_be_taken_over(cached: Cached) -> None:
    assert cached.run() == sorted(ALWAYS)
    assert "Task was made of the same as task 1 of run 1: taken over." in cached.said
    told = json.loads(cached.place.run("runs", "--json").stdout)[0]
    assert (told["status"], told["tasks"]["cloned"], told["tasks"]["succeeded"]) == ("succeeded", 13, 2)
    first, second = cached.data(1), cached.data(2)
    assert (second.bill, second.total, second.greeting) == (12, 6, "hello ada")
    assert cached.data(2, "split").label == "x"  # merged by a join that was taken over
    assert (first.run, second.run) == ("1", "2")
    assert second.seen == ("1", "hello ada")  # `ignoring` was told that the run does not count


def test_what_a_step_does_not_read_does_not_count_and_is_passed_on_as_it_is_now(cached: Cached) -> None:
    assert cached.run("--unread", "7") == sorted(ALWAYS)
    assert cached.data(2).unread == 7
    assert cached.data(2, "left").unread == 7
    assert cached.run("--who", "grace") == sorted([*ALWAYS, "left", "meet", "ignoring"])
    assert cached.data(3).greeting == "hello grace"


def test_a_changed_helper_runs_the_steps_that_reach_it_and_why_shows_the_change(cached: Cached) -> None:
    cached.change("memo_helpers.py", "RATE = 2", "RATE = 3")
    assert cached.run() == sorted([*ALWAYS, "end"])
    assert cached.data(2).bill == 18
    [change] = cached.why("2/end")["changes"]
    assert (change["kind"], change["name"], change["diff"]) == (
        "code",
        "memo_helpers:RATE",
        ["@@ -1 +1 @@", "-2", "+3"],
    )
    cached.change("memo_helpers.py", "number * 2", "number + number")
    assert cached.run() == sorted(
        [*ALWAYS, "work 0", "work 1", "work 2"]
    )  # the same came out, so the join is the same
    [change] = cached.why("3/work")["changes"]
    assert change["name"] == "memo_helpers:double"
    assert {"-    return number * 2", "+    return number + number"} <= set(change["diff"])
    cached.change("memo_helpers.py", "number + number", "number + number + 1")
    assert cached.run() == sorted([*ALWAYS, "work 0", "work 1", "work 2", "join", "meet", "end"])
    assert [change["name"] for change in cached.why("4/join")["changes"]] == ["inputs.made"]


def test_comments_docstrings_and_the_place_in_the_file_do_not_count(cached: Cached) -> None:
    cached.change("memo_helpers.py", '"""Twice."""', "# Two times.\n\n    # Really.")
    cached.change("memo.py", '        note("start")', '\n        # first\n        note("start")')
    assert cached.run() == sorted(ALWAYS)


def test_a_wider_foreach_runs_its_new_children_only(cached: Cached) -> None:
    assert cached.run("--width", "4") == sorted([*ALWAYS, "start", "work 3", "join", "meet", "end"])
    changes = {
        change["name"]: (change["before"], change["after"]) for change in cached.why("2/join")["changes"]
    }
    assert changes["inputs"] == ("3", "4")
    assert cached.why("2/start")["changes"] == [
        {"kind": "read", "name": "self.width", "before": "3", "after": "4", "diff": []}
    ]


def test_files_and_variables_that_are_named_and_the_version_count(cached: Cached) -> None:
    (cached.root / "data.txt").write_text("2")
    assert cached.run() == sorted([*ALWAYS, "files"])
    assert [(one["kind"], one["name"]) for one in cached.why("2/files")["changes"]] == [("file", "data.txt")]
    spiced = Place(cached.root, {**cached.place.extra, "FLAVOUR": "hot-and-secret"})
    assert cached.run(place=spiced) == sorted([*ALWAYS, "files"])
    [change] = cached.why("3/files")["changes"]
    assert (change["kind"], change["name"], change["before"]) == ("env", "FLAVOUR", "not there")
    assert cached.data(3, "files").flavour == "hot-and-secret"
    cached.change("memo.py", 'version="1"', 'version="2"')
    assert "right" in cached.run()
    assert cached.why("4/right")["changes"][0]["name"] == "version"


def test_the_command_line_says_of_all_steps_whether_results_are_taken_over(cached: Cached) -> None:
    everything = cached.run("--no-cache")
    assert len(everything) == 15
    assert cached.run() == sorted(ALWAYS)
    told = cached.place.run("why", "2/left").stdout
    assert "ran although nothing that counts has changed" in told


@pytest.mark.parametrize("isolation", ["fork", "spawn"])
def test_cache_is_for_steps_without_the_decorator_too(tmp_path: Path, isolation: str) -> None:
    place = Place(tmp_path, {"ASYNCFLOW_HOME": str(tmp_path / "store")})
    flow = place.flow("letters")
    first = place.run("run", flow, "--cache", "--isolation", isolation)
    assert first.code == 0, first.stderr
    second = place.run("run", flow, "--cache", "--isolation", isolation)
    assert "taken over" in second.stdout
    assert "Task is starting" not in second.stdout
    assert "has no @cache" in _why_of_uncached(place, flow)


def _why_of_uncached(place: Place, flow: str) -> str:
    assert place.run("run", flow).code == 0
    return place.run("why", "3/start").stdout


def test_results_of_a_run_that_was_removed_are_found_where_they_were_taken_over(cached: Cached) -> None:
    assert cached.run() == sorted(ALWAYS)
    assert cached.place.run("gc", "--keep-last", "1", "--grace", "0").code == 0
    assert cached.run() == sorted(ALWAYS)
    assert cached.place.run("gc", "--keep-last", "0", "--grace", "0").code == 0
    assert len(cached.run()) == 15
    assert cached.place.run("doctor", "--thorough").code == 0


def test_without_the_notes_or_with_damaged_ones_everything_runs(cached: Cached) -> None:
    for file in (cached.root / "store/memos").iterdir():
        file.write_bytes(b"\xff nonsense\n" + file.read_bytes()[:-7])
    assert len(cached.run()) >= 12
    assert cached.run() == sorted(ALWAYS)


def test_a_gang_is_not_cached_and_said_so(tmp_path: Path) -> None:
    place = Place(tmp_path)
    (tmp_path / "gang.py").write_text(GANG)
    refused = place.run("run", "gang.py")
    assert refused.code == 1
    assert "@cache" in refused.stderr
    assert "members work together" in refused.stderr


GANG = """
from asyncflow import FlowSpec, cache, parallel, step
class G(FlowSpec):
    @step
    def start(self):
        self.next(self.work, num_parallel=2)
    @cache
    @parallel
    @step
    def work(self):
        self.next(self.join)
    @step
    def join(self, inputs):
        self.next(self.end)
    @step
    def end(self):
        pass
"""


def test_async_steps_are_taken_over_too(tmp_path: Path) -> None:
    place = Place(tmp_path)
    (tmp_path / "aio.py").write_text(ASYNC)
    assert place.run("run", "aio.py", "--cache").code == 0
    again = place.run("run", "aio.py", "--cache")
    assert again.stdout.count("taken over") == 23
    assert (tmp_path / "ran.txt").read_text().count("x") == 20


ASYNC = """
from asyncflow import FlowSpec, step
class A(FlowSpec):
    @step
    def start(self):
        self.items = list(range(20))
        self.next(self.work, foreach="items")
    @step
    async def work(self):
        open("ran.txt", "a").write("x")
        self.y = self.input
        self.next(self.join)
    @step
    def join(self, inputs):
        self.next(self.end)
    @step
    def end(self):
        pass
"""

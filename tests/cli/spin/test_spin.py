"""`asyncflow spin`: one step again, with what an earlier task of it began with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from asyncflow import Task, UserError, inspect_spin, namespace
from asyncflow.client.place import default_metadata, default_namespace
from tests.cli.place import Place

FLOW = Path(__file__).parent / "flows" / "spun.py"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path, {"ASYNCFLOW_HOME": str(tmp_path / "store")})
    shutil.copy(FLOW, tmp_path)
    assert place.run("run", "spun.py", "--factor", "5").code == 0
    return place


def changed(place: Place, old: str, new: str) -> None:
    file = place.root / "spun.py"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


def spun(place: Place, pathspec: str) -> Any:
    """Return the artifacts of what was spun and kept."""
    inspect_spin(str(place.root / "store"))
    namespace(None)
    try:
        return Task(pathspec).data
    finally:
        default_metadata()
        default_namespace()


def test_a_step_runs_with_its_code_as_it_is_now_and_nothing_after_it(place: Place) -> None:
    changed(place, "len(self.input) * self.factor", "len(self.input) * self.factor + 1")
    ended = place.run("spin", "spun.py", "1/work/3")
    assert ended.code == 0, ended.stderr
    assert "before work" in ended.stdout
    assert "made = 11" in ended.stderr
    assert "where = (1, 'work', 0)" in ended.stderr
    assert "In a run it goes on to join." in ended.stderr
    assert [row["run"] for row in json.loads(place.run("runs", "--json").stdout)] == [1]
    assert list((place.root / "store/tmp").iterdir()) == []


def test_a_join_gets_its_inputs_and_a_step_alone_is_of_the_latest_run(place: Place) -> None:
    ended = place.run("spin", "spun.py", "join")
    assert (ended.code, "total = 30" in ended.stderr) == (0, True)
    (place.root / "other.py").write_text('ARTIFACTS = [{"made": 1}, {}, {"made": 100}]\n')
    ended = place.run("spin", "spun.py", "join", "--artifacts-module", "other.py")
    assert "total = 111" in ended.stderr
    (place.root / "other.py").write_text('ARTIFACTS = {"factor": 7}\n')
    assert "made = 21" in place.run("spin", "spun.py", "work", "--artifacts-module", "other.py").stderr


def test_a_failure_is_final_and_shows_what_was_made_until_then(place: Place) -> None:
    changed(place, "self.where =", 'raise ValueError("no")\n        self.where =')
    ended = place.run("spin", "spun.py", "work")
    assert ended.code == 1
    assert ended.stdout.count("ValueError: no") == 1
    assert "made = 15" in ended.stderr
    assert "resume" not in ended.stderr


def test_decorators_are_left_out_when_asked(place: Place) -> None:
    ended = place.run("spin", "spun.py", "work", "--skip-decorators")
    assert "before work" not in ended.stdout
    assert "mode = 'fast'" in place.run("spin", "spun.py", "end").stderr
    assert "mode = None" in place.run("spin", "spun.py", "end", "--skip-decorators").stderr


def test_what_is_kept_can_be_looked_at_and_only_then(place: Place) -> None:
    assert place.run("spin", "spun.py", "join").code == 0
    with pytest.raises(UserError, match="Nothing that was spun"):
        spun(place, "SpunFlow/1/join/1")
    assert place.script_of("spun.py", "spin", "join", "--persist").code == 0
    assert spun(place, "SpunFlow/1/join/1").total == 30
    assert place.run("doctor").code == 0
    assert place.run("gc", "--keep-last", "1", "--grace", "0").code == 0
    assert spun(place, "SpunFlow/1/join/1").total == 30


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("nope",), "no step 'nope'"),
        (("1",), "names no step"),
        (("9/work",), "There is no run 9"),
        (("gang",), "Step gang is a gang"),
        (("join", "--artifacts-module", "missing.py"), "missing.py"),
        (("join", "--artifacts-module", "empty.py"), "defines no dictionary ARTIFACTS"),
    ],
)
def test_what_cannot_be_spun_is_told_in_one_line(place: Place, args: tuple[str, ...], said: str) -> None:
    (place.root / "empty.py").write_text("")
    ended = place.run("spin", "spun.py", *args)
    assert ended.code in (1, 2)
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr

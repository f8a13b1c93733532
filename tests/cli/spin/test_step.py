"""`python flow.py step`, Metaflow's words: one task in this process."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from asyncflow.store.local import LocalStore
from tests.cli.place import Place

FLOW = Path(__file__).parent / "flows" / "spun.py"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path, {"ASYNCFLOW_HOME": str(tmp_path / "store")})
    shutil.copy(FLOW, tmp_path)
    assert place.run("run", "spun.py", "--factor", "5").code == 0
    return place


def value(place: Place, task: int, name: str) -> object:
    store = LocalStore(str(place.root / "store"))
    return store.load(store.read_manifest(1, task, 0).artifacts[name])


def step(place: Place, name: str, task: int, inputs: str, *more: str) -> int:
    args = ("step", name, "--run-id", "1", "--task-id", str(task), *more)
    return place.script_of("spun.py", *args, *(["--input-paths", inputs] if inputs else [])).code


def test_a_task_starts_from_the_tasks_that_are_named(place: Place) -> None:
    assert step(place, "start", 900, "") == 0
    assert value(place, 900, "items") == ["a", "bb", "ccc"]
    assert step(place, "work", 901, "1/start/1", "--split-index", "2") == 0
    assert value(place, 901, "made") == 15
    assert step(place, "join", 902, "1/work/2,1/work/3,1/work/4") == 0
    assert value(place, 902, "total") == 30


def test_what_cannot_be_is_told(place: Place) -> None:
    assert step(place, "work", 903, "") == 2
    assert step(place, "nope", 903, "1/start/1") == 2
    assert step(place, "join", 903, "1/start/1") == 2
    (place.root / "spun.py").write_text(
        FLOW.read_text().replace("self.where =", "raise ValueError(1)\n        self.where =")
    )
    assert step(place, "work", 904, "1/start/1", "--split-index", "0") == 1

"""`asyncflow code` and `asyncflow diff`: what a run began with, and how two runs differ."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from asyncflow import MetaflowCode, Run, metadata, namespace
from asyncflow.client.code import write_files
from asyncflow.client.place import default_metadata, default_namespace
from asyncflow.errors import StoreError
from tests.cli.place import Place

FLOW = """
from asyncflow import FlowSpec, Parameter, step
from code_parts.rates import RATE

class CodeFlow(FlowSpec):
    n = Parameter("n", default=3)

    @step
    def start(self):
        self.items = list(range(self.n))
        self.next(self.work, foreach="items")

    @step
    def work(self):
        self.made = self.input * RATE
        self.next(self.join)

    @step
    def join(self, inputs):
        self.total = sum(one.made for one in inputs)
        self.next(self.end)

    @step
    def end(self):
        pass
"""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "code_flow.py").write_text(FLOW)
    (tmp_path / "unused.py").write_text("1 / 0")
    (tmp_path / "code_parts").mkdir()
    (tmp_path / "code_parts/__init__.py").write_text("")
    (tmp_path / "code_parts/rates.py").write_text("RATE = 2\n")
    place = Place(tmp_path, {"ASYNCFLOW_HOME": str(tmp_path / "store")})
    assert place.run("run", "code_flow.py").code == 0
    return place


def test_a_runs_code_comes_back_and_is_compared_with_what_is_here(place: Place) -> None:
    rates = place.root / "code_parts/rates.py"
    assert place.run("code", "diff", "1").stderr == "The code is the same.\n"
    rates.write_text("RATE = 3\n")
    changed = place.run("code", "diff", "1")
    assert changed.code == 1
    assert changed.stdout.splitlines()[-2:] == ["-RATE = 2", "+RATE = 3"]
    pulled = place.run("code", "pull", "1")
    names = ("code_flow.py", "code_parts/__init__.py", "code_parts/rates.py")
    assert pulled.stdout.split() == [f"CodeFlow_1/{name}" for name in names]
    assert (place.root / "CodeFlow_1/code_parts/rates.py").read_text() == "RATE = 2\n"
    again = place.run("code", "pull", "1")
    assert (again.code, "not empty" in again.stderr) == (2, True)
    assert place.run("run", "CodeFlow_1/code_flow.py").code == 0
    assert place.run("code", "diff", "1", "2").code == 0


def test_two_runs_differ_in_parameters_code_and_artifacts(place: Place) -> None:
    assert place.run("run", "code_flow.py").code == 0
    assert place.run("diff", "1", "2").stdout == "Parameters, code and artifacts are the same.\n"
    (place.root / "code_parts/rates.py").write_text("RATE = 3\n")
    assert place.run("run", "code_flow.py", "--n", "4").code == 0
    told = place.run("diff", "1", "3")
    assert told.code == 1
    assert "    n: 3 -> 4\n" in told.stdout
    assert "+RATE = 3\n" in told.stdout
    assert "Step work\n    made: 2 -> 3  (in 3 of 4 tasks)\n" in told.stdout
    data: dict[str, Any] = json.loads(place.run("diff", "1", "3", "--json").stdout)
    assert data["code"] == ["code_parts/rates.py"]
    assert [one["name"] for one in data["parameters"]] == ["n"]
    assert data["steps"]["join"] == [
        {"name": "total", "before": "6", "after": "18", "tasks": 1, "differing": 1}
    ]


def test_the_client_has_it(place: Place) -> None:
    metadata(str(place.root / "store"))
    namespace(None)
    try:
        code = Run("CodeFlow/1").code
        assert isinstance(code, MetaflowCode)
        assert (code.script_name, code.flowspec) == ("code_flow.py", FLOW)
        assert sorted(code.tarball.getnames()) == [
            "code_flow.py",
            "code_parts/__init__.py",
            "code_parts/rates.py",
        ]
        with code.extract() as directory:
            assert (Path(directory) / "code_parts/rates.py").read_text() == "RATE = 2\n"
        task = Run("CodeFlow/1")["start"].task
        assert task is not None
        assert task.code is not None
        assert task.code.path == code.path
    finally:
        default_metadata()
        default_namespace()


def test_cleaning_keeps_the_code_of_runs_that_stay(place: Place) -> None:
    (place.root / "code_flow.py").write_text(FLOW.replace("pass", "print()"))
    assert place.run("run", "code_flow.py").code == 0
    assert place.run("gc", "--keep-last", "1", "--grace", "0").code == 0
    assert place.run("code", "diff", "2").code == 0
    assert place.run("doctor", "--thorough").code == 0


@pytest.mark.parametrize("name", ["../out.py", "/out.py", "a/../../out.py", ""])
def test_nothing_is_written_outside_of_the_directory(tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreError, match="leads elsewhere"):
        list(write_files({name: b""}, str(tmp_path / "in")))

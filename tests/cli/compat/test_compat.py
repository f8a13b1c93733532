"""A flow file that says `from metaflow import` runs unchanged."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cli.place import Place

pytestmark = pytest.mark.slow

FLOW = """
from metaflow import FlowSpec, Parameter, current, retry, step
from metaflow.exception import MetaflowException


class OldFlow(FlowSpec):
    size = Parameter("size", default=2)

    @retry(times=1, minutes_between_retries=0)
    @step
    def start(self):
        if current.retry_count == 0:
            raise MetaflowException("not yet")
        self.items = list(range(self.size))
        self.next(self.square, foreach="items")

    @step
    def square(self):
        from metaflow.client import Run  # in the task's own process

        self.seen = Run(f"OldFlow/{current.run_id}").id
        self.value = self.input**2
        self.next(self.join)

    @step
    def join(self, inputs):
        self.total = sum(i.value for i in inputs)
        self.next(self.end)

    @step
    def end(self):
        print("total", self.total)


if __name__ == "__main__":
    OldFlow()
"""


@pytest.fixture
def flow(place: Place) -> str:
    (place.root / "old.py").write_text(FLOW)
    return "old.py"


def test_asyncflow_run_runs_it(place: Place, flow: str) -> None:
    ended = place.run("run", flow, "--size", "3")
    assert ended.code == 0, ended.stderr
    assert "total 5" in ended.stdout


def test_isolation_spawn_runs_it(place: Place, flow: str) -> None:
    assert place.run("run", flow, "--isolation", "spawn").code == 0


def test_asyncflow_compat_is_metaflows_own_command_line(place: Place, flow: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "asyncflow.compat", flow, "--quiet", "run", "--size", "4"],
        cwd=place.root,
        env=place.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "total 14" in ended.stdout


def test_what_is_missing_is_named_with_its_line(place: Place) -> None:
    (place.root / "new.py").write_text("from metaflow import FlowSpec, Unheard\n")
    ended = place.run("run", "new.py")
    assert ended.code == 2
    assert "`Unheard` of metaflow is not in asyncflow" in ended.stderr
    assert "new.py:1" in ended.stderr
    assert "docs/compatibility.md" in ended.stderr


@pytest.mark.parametrize(("text", "told"), [("print(1", "SyntaxError"), ("1 / 0\n", "ZeroDivisionError")])
def test_a_file_that_breaks_is_told_as_python_tells_it_without_frames_of_ours(
    place: Place, text: str, told: str
) -> None:
    (place.root / "broken.py").write_text(text)
    ended = place.run("run", program=(sys.executable, "-m", "asyncflow.compat", "broken.py"))
    assert ended.code == 1
    assert told in ended.stderr
    assert "runpy" not in ended.stderr
    assert "asyncflow/compat" not in ended.stderr

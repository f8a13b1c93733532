"""What an editor knows of a user's flow: pyright finds nothing in a right one, and each mistake in a wrong one."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

RIGHT = """
from asyncflow import Config, Flow, FlowSpec, Parameter, cache, catch, current, retry, step, timeout

class TypedFlow(FlowSpec):
    alpha = Parameter("alpha", default=0.5)
    settings = Config("settings", default_value={"a": 1})

    @retry(times=2)
    @timeout(minutes=5)
    @catch(var="problem")
    @step
    def start(self):
        self.items = [1, 2]
        reveal_type(current.run_id)
        reveal_type(current.retry_count)
        self.next(self.work, foreach="items")

    @cache(files=["data.csv"])
    @step
    def work(self):
        self.y = self.input * self.alpha
        self.next(self.join)

    @step
    def join(self, inputs):
        self.total = sum(one.y for one in inputs)
        self.merge_artifacts(inputs, include=["items"])
        self.next(self.end)

    @step
    def end(self):
        run = Flow("TypedFlow").latest_run
        reveal_type(run)
        if run is not None:
            reveal_type(run.successful)
            for task in run["work"].tasks():
                reveal_type(task.stdout)
"""
WRONG = {
    "@retry(tims=2)\n    ": "@retry(times=2)\n    ",
    'Flow("TypedFlow").latest_runn': 'Flow("TypedFlow").latest_run',
    "task.std_out": "task.stdout",
}


def told(directory: Path, text: str) -> list[tuple[str, str]]:
    """Return what pyright says of a flow: kind and text."""
    (directory / "typed.py").write_text(text)
    pyright = shutil.which("pyright", path=str(Path(sys.executable).parent))
    assert pyright is not None
    checkout = str(Path(__file__).parents[3])
    (directory / "pyrightconfig.json").write_text(json.dumps({"extraPaths": [checkout]}))
    done = subprocess.run(
        [pyright, "--pythonpath", sys.executable, "--outputjson", "typed.py"],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    return [(one["severity"], one["message"]) for one in json.loads(done.stdout)["generalDiagnostics"]]


@pytest.mark.timeout(180)
def test_an_editor_knows_the_types_of_what_a_flow_uses_and_finds_what_is_misspelt(tmp_path: Path) -> None:
    revealed = [
        text.split('is "')[1].rstrip('"') for kind, text in told(tmp_path, RIGHT) if kind == "information"
    ]
    assert revealed == ["str", "int", "Run | None", "bool", "str"]
    assert [text for kind, text in told(tmp_path, RIGHT) if kind == "error"] == []
    for wrong, right in WRONG.items():
        assert right in RIGHT
        errors = [text for kind, text in told(tmp_path, RIGHT.replace(right, wrong)) if kind == "error"]
        assert errors, wrong

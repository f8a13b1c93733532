"""A flow's file as a program."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from asyncflow.flow.parameters import RESERVED_NAMES

FLOW = """
from asyncflow import FlowSpec, step

class Hello(FlowSpec):
    @step
    def start(self):
        self.next(self.{target})

    @step
    def end(self):
        pass
"""


def run(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *args], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("tail", ['if __name__ == "__main__":\n    Hello()\n', "Hello()\n"])
def test_a_script_that_constructs_its_flow_runs_the_command_line(tmp_path: Path, tail: str) -> None:
    file = tmp_path / "hello.py"
    file.write_text(FLOW.format(target="end") + tail + "print('below, in', __name__)\n")
    done = run(str(file), "check")
    assert done.returncode == 0, done.stderr
    assert "looks good" in done.stderr
    assert "below, in hello" in done.stdout, "the file is imported once more, under its own name"
    assert "below, in __main__" not in done.stdout, "constructing the flow does not come back"


def test_a_bad_graph_is_told_without_a_traceback(tmp_path: Path) -> None:
    file = tmp_path / "hello.py"
    file.write_text(FLOW.format(target="ned") + 'if __name__ == "__main__":\n    Hello()\n')
    done = run(str(file))
    assert done.returncode == 1
    assert "Step start goes to ned, which does not exist" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_flow_that_is_in_no_file_says_so(tmp_path: Path) -> None:
    done = run("-c", "from asyncflow import FlowSpec\nclass F(FlowSpec): pass\nF()")
    assert done.returncode == 1
    assert "Flow F is not in a file, so it cannot be run" in done.stderr
    assert "F(use_cli=False)" in done.stderr


def test_every_option_of_run_is_a_reserved_parameter_name(tmp_path: Path) -> None:
    """But --store: a flow may have a parameter of that name, and then names its store by ASYNCFLOW_STORE."""
    file = tmp_path / "hello.py"
    file.write_text(FLOW.format(target="end"))
    done = run("-c", "from asyncflow.cli.main import main; main()", "run", str(file), "--help")
    options = set(re.findall(r"^\s+(?:-\w, )?--([a-z0-9-]+)", done.stdout, re.MULTILINE))
    assert "max-workers" in options, done.stdout + done.stderr
    assert options - {"store"} <= RESERVED_NAMES


def test_what_a_script_does_around_its_flow_still_happens(tmp_path: Path) -> None:
    file = tmp_path / "hello.py"
    around = "try:\n        Hello()\n    finally:\n        print('after all')\n"
    file.write_text(FLOW.format(target="end") + f'if __name__ == "__main__":\n    {around}')
    done = run(str(file), "check")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "after all\n"


def test_what_a_script_registered_for_its_end_happens(tmp_path: Path) -> None:
    file = tmp_path / "hello.py"
    tail = "import atexit\n    atexit.register(print, 'at the end')\n    Hello()\n"
    file.write_text(FLOW.format(target="end") + f'if __name__ == "__main__":\n    {tail}')
    done = run(str(file), "check")
    assert (done.returncode, done.stdout) == (0, "at the end\n"), done.stderr

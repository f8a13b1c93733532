"""The examples run as a user runs them, and the README's commands and flows do what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

pytest.importorskip("sklearn", reason="the examples' data comes with scikit-learn")

ROOT = Path(__file__).resolve().parents[2]
ASYNCFLOW = Path(sys.executable).with_name("asyncflow")

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("ASYNCFLOW_")}
    return clean | {"ASYNCFLOW_HOME": str(tmp_path / "store"), "USER": "tester"}


def asyncflow(*arguments: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ASYNCFLOW), *arguments],
        cwd=ROOT,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def output_of_run(*arguments: str, env: Mapping[str, str]) -> str:
    done = asyncflow("run", *arguments, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_hello_greets(env: dict[str, str]) -> None:
    assert "Hello, world!" in output_of_run("examples/hello.py", env=env)
    assert "Hello, Ada! Hello, Ada!" in output_of_run(
        "examples/hello.py", "--who", "Ada", "--times", "2", env=env
    )


def test_a_run_that_failed_is_resumed_with_the_corrected_code(env: dict[str, str], tmp_path: Path) -> None:
    flow = tmp_path / "hello.py"
    text = (ROOT / "examples/hello.py").read_text()
    flow.write_text(text)

    failed = asyncflow("run", str(flow), "--times", "0", env=env)

    assert failed.returncode == 1
    assert "ZeroDivisionError" in failed.stdout + failed.stderr
    assert "asyncflow resume 1" in failed.stdout + failed.stderr

    flow.write_text(text.replace("self.letters / self.times", "self.letters / max(self.times, 1)"))
    resumed = asyncflow("resume", "latest", env=env)

    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert "0 letters" in resumed.stdout
    assert not re.search(r"/(start|repeat)/\d+ \(pid", resumed.stdout), "a good task ran again"


def test_the_sweep_reads_nearly_all_digits(env: dict[str, str]) -> None:
    output = output_of_run("examples/digits_sweep.py", "--folds", "2", env=env)

    accuracy = re.search(r"Best: (.+), accuracy ([\d.]+)% on 450 unseen digits", output)
    assert accuracy is not None, output
    assert float(accuracy[2]) > 95


def test_the_wines_are_described(env: dict[str, str]) -> None:
    output = output_of_run("examples/wine_statistics.py", env=env)

    assert "178 wines, 13 measurements" in output
    assert "Alcohol is 13.00 % on average" in output
    assert "flavanoids tells the groups apart best (ratio 2.67)" in output
    assert "flavanoids and total_phenols go together most (r = 0.86)" in output


def test_training_ends_when_it_is_good_enough(env: dict[str, str]) -> None:
    output = output_of_run("examples/train_until_good.py", env=env)

    rounds = [float(value) for value in re.findall(r"\d+ trees: ([\d.]+)%", output)]
    assert len(rounds) >= 2
    assert all(value < 96 for value in rounds[:-1])
    assert f"Good enough after {len(rounds)} rounds" in output


def test_training_gives_up_when_the_rounds_are_used_up(env: dict[str, str]) -> None:
    output = output_of_run("examples/train_until_good.py", "--good-enough", "1", "--max-rounds", "2", env=env)

    assert "Gave up after 2 rounds" in output


@pytest.mark.parametrize("page", ["README.md", "docs/guide.md"])
def test_the_flow_shown_in_the_docs_runs(page: str, env: dict[str, str], tmp_path: Path) -> None:
    shown = re.search(r"```python\n((?:# .*\n)?from asyncflow .*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert shown is not None
    flow = tmp_path / "shown.py"
    flow.write_text(shown[1])

    output = output_of_run(str(flow), env=env)

    expected = sum(number**2 for number in range(1000 if page == "README.md" else 10))
    assert str(expected) in output


def test_the_quick_start_can_be_pasted(env: dict[str, str], tmp_path: Path) -> None:
    quick_start = (ROOT / "README.md").read_text().partition("## Quick start")[2].partition("\n## ")[0]
    blocks = re.findall(r"```sh\n(.*?)```", quick_start, re.DOTALL)
    assert len(blocks) >= 3
    for command in "".join(blocks[1:]).splitlines():
        done = subprocess.run(
            command.replace("/tmp/", f"{tmp_path}/").replace(".venv/bin/asyncflow", str(ASYNCFLOW)),
            shell=True,
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == (1 if "--times 0" in command else 0), (
            f"{command}\n{done.stdout}{done.stderr}"
        )

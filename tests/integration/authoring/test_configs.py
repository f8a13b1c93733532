"""A run's configs: given before and after the command, in every process of the run, and the same in a resume."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from shutil import copyfile

import pytest

from tests.cli.place import Place
from tests.integration.authoring.test_flow_decorators import run_of

pytestmark = pytest.mark.slow
CONFIGURED = Path(__file__).parent / "flows" / "configured.py"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    copyfile(CONFIGURED, tmp_path / "configured.py")
    _write(tmp_path / "config.json", alpha=0.1, fails=False)
    _write(tmp_path / "other.json", alpha=0.7, fails=True)
    return Place(tmp_path)


def _write(path: Path, *, alpha: float, fails: bool) -> None:
    config = {"alpha": alpha, "cpu": 1, "project": {"name": "zoo"}, "sizes": [1, 2], "fails": fails}
    path.write_text(json.dumps(config))


def _told(place: Place, run: int) -> list[object]:
    told: list[object] = run_of(place.root, f"ConfiguredFlow/{run}")["start"].task.data.told  # type: ignore[union-attr]
    return told


@pytest.mark.parametrize("isolation", ["fork", "spawn"])
def test_configs_come_from_files_and_options(place: Place, isolation: str) -> None:
    line = ["run", "configured.py", "--isolation", isolation]
    assert place.run(*line).code == 0
    assert _told(place, 1) == [0.1, "zoo", "red", "zoo"]
    given = ["--config", "CONFIG", "other.json", "--config-value", "extra-settings", '{"colour": "blue"}']
    assert place.run(*line, *given, "--alpha", "2").code == 1
    assert _told(place, 2) == [2.0, "zoo", "blue", "zoo"]
    run = run_of(place.root, "ConfiguredFlow/2")
    assert run["_parameters"].task.data.extra == {"colour": "blue"}  # type: ignore[union-attr]


def test_a_resume_has_the_configs_of_its_origin(place: Place) -> None:
    value = json.dumps({"alpha": 5, "cpu": 1, "project": {"name": "farm"}, "sizes": [3], "fails": True})
    assert place.run("run", "configured.py", "--config-value", "config", value).code == 1
    _write(place.root / "config.json", alpha=9, fails=False)
    resumed = place.run("resume", "1")
    assert "as the config says" in resumed.stderr
    assert _told(place, 2) == [5, "farm", "red", "farm"]


def test_the_flows_own_file_takes_them_in_front_of_the_command(place: Place) -> None:
    program = place.run(
        "--config", "config", "other.json", "run", "--alpha", "3", program=(sys.executable, "configured.py")
    )
    assert program.code == 1
    assert _told(place, 1) == [3.0, "zoo", "red", "zoo"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--config", "nothing", "other.json"), "has no config 'nothing'"),
        (
            ("--config", "config", "nothing.json"),
            "cannot be read from nothing.json: No such file or directory",
        ),
        (("--config", "config", "other.json", "--config-value", "config", "{}"), "is given twice"),
        (("--config-value", "config", "{"), "cannot be parsed"),
        (("--config-value", "config", "{}"), "has no 'alpha' here"),
    ],
)
def test_bad_configs_are_told_before_anything_runs(place: Place, given: tuple[str, ...], said: str) -> None:
    ended = place.run("run", "configured.py", *given)
    assert ended.code == 2
    assert said in ended.stderr.replace("\n    ", " ")
    assert "Traceback" not in ended.stderr
    assert not (place.root / ".asyncflow" / "asyncflow.db").exists()


def test_the_options_are_in_the_help_of_flows_that_have_configs(place: Place) -> None:
    assert "--config-value NAME TEXT" in place.run("run", "configured.py", "--help").stdout
    assert "--config" not in place.run("run", place.flow("letters"), "--help").stdout
    assert place.run("check", "configured.py", "--config", "config", "other.json").code == 0

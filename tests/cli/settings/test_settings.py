"""Settings of Metaflow's users: variables, configuration files, profiles; options before the command."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.cli.place import Place

FLOW = """
from metaflow import FlowSpec, current, project, step
from metaflow.metaflow_config import DATASTORE_SYSROOT_S3, DEFAULT_DATASTORE, KUBERNETES_NAMESPACE, S3_RETRY_COUNT

@project(name="p")
class SettingsFlow(FlowSpec):
    @step
    def start(self):
        self.user = current.username
        print("told", current.username, DATASTORE_SYSROOT_S3, DEFAULT_DATASTORE, KUBERNETES_NAMESPACE, S3_RETRY_COUNT)
        print("branch", current.branch_name, current.tempdir)
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    SettingsFlow()
"""
SCRIPT = (sys.executable, "-m", "asyncflow.compat", "settings_flow.py")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "settings_flow.py").write_text(FLOW)
    return Place(tmp_path, {"HOME": str(tmp_path / "home"), "USER": ""})


def configured(place: Place, where: str, **values: object) -> None:
    file = place.root / where
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(values))


def told(place: Place, *options: str, **variables: str) -> str:
    ended = Place(place.root, {**place.extra, **variables}).run(*options, "run", program=SCRIPT)
    assert ended.code == 0, ended.stderr
    return "\n".join(line.partition("] ")[2] for line in ended.stdout.splitlines())


@pytest.mark.parametrize(
    "where", [".metaflow/config.json", ".asyncflow/config.json", "home/.metaflowconfig/config.json"]
)
def test_a_file_stands_for_variables_that_are_not_there(place: Place, where: str) -> None:
    configured(
        place,
        where,
        METAFLOW_USER="carla",
        METAFLOW_DATASTORE_SYSROOT_S3="s3://b/m",
        METAFLOW_S3_RETRY_COUNT=3,
    )
    assert "told carla s3://b/m local default 3" in told(place)
    assert "told dora s3://b/m" in told(place, METAFLOW_USER="dora")
    assert "told emil s3://b/m" in told(place, METAFLOW_USER="dora", ASYNCFLOW_USER="emil")


def test_a_profile_names_its_own_file_and_one_without_a_file_is_an_error(place: Place) -> None:
    configured(place, "home/.metaflowconfig/config.json", METAFLOW_USER="carla")
    configured(
        place, "home/.metaflowconfig/config_work.json", METAFLOW_USER="wanda", METAFLOW_TEMPDIR="/somewhere"
    )
    assert "told wanda" in told(place, METAFLOW_PROFILE="work")
    assert "branch user.wanda /somewhere" in told(place, METAFLOW_PROFILE="work")
    ended = Place(place.root, {**place.extra, "METAFLOW_PROFILE": "play"}).run("runs")
    assert ended.code == 2
    assert "There is no configuration of profile 'play'" in ended.stderr
    assert "config_play.json" in ended.stderr


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_a_file_that_is_none_is_named(place: Place, text: str) -> None:
    (place.root / ".metaflow").mkdir()
    (place.root / ".metaflow/config.json").write_text(text)
    ended = place.run("runs")
    assert ended.code == 2
    assert ".metaflow/config.json" in ended.stderr


def test_the_store_and_decorators_for_all_steps_can_be_set(place: Place) -> None:
    configured(
        place,
        ".metaflow/config.json",
        METAFLOW_USER="carla",
        METAFLOW_DATASTORE_SYSROOT_LOCAL=str(place.root / "elsewhere"),
        METAFLOW_DEFAULT_DECOSPECS="retry:times=2 environment:vars={}",
    )
    told(place)
    assert (place.root / "elsewhere/.asyncflow/asyncflow.db").exists()
    assert not (place.root / ".asyncflow").exists()
    shown = place.run("graph", "settings_flow.py", "--format", "json").stdout
    assert '"times": 2' in shown


def test_options_of_the_flows_decorators_may_stand_before_the_command(place: Place) -> None:
    assert "branch test.staging" in told(place, "--branch", "staging", METAFLOW_USER="a")
    assert "branch prod" in told(place, "--production", METAFLOW_USER="a")
    unknown = place.run("--trigger", "X/1", "run", program=SCRIPT)
    assert (unknown.code, "--trigger" in unknown.stderr) == (2, True)


def test_a_run_says_what_scheduled_it(place: Place) -> None:
    told(place)
    told(place, METAFLOW_RUNTIME_NAME="nightly")
    assert "runtime:dev" in place.run("tag", "list", "1").stdout.splitlines()
    assert "runtime:nightly" in place.run("tag", "list", "2").stdout.splitlines()

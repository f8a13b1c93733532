"""@project, @schedule, @trigger, @conda, @pypi, @kubernetes, @batch: kept, shown, heeded, or refused in words."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from asyncflow import (
    DecoratorError,
    Engine,
    FlowSpec,
    Run,
    batch,
    conda,
    conda_base,
    kubernetes,
    metadata,
    namespace,
    project,
    pypi,
    schedule,
    step,
    trigger,
    trigger_on_finish,
)
from asyncflow.client.place import default_metadata, default_namespace
from asyncflow.flow.decorators.flow_level import flow_decorators_of
from asyncflow.flow.decorators.project import branch_of
from asyncflow.flow.decorators.triggers import Schedule
from tests.cli.place import Place

FLOWS = Path(__file__).parent / "flows"
PROJECTED = str(FLOWS / "projected.py")
PACKAGED = str(FLOWS / "packaged.py")


def run_of(place: Path, pathspec: str) -> Run:
    metadata(str(place / ".asyncflow"))
    namespace(None)
    try:
        return Run(pathspec)
    finally:
        default_metadata()
        default_namespace()


def test_a_run_belongs_to_its_users_branch_and_a_resume_to_the_same(tmp_path: Path) -> None:
    place = Place(tmp_path)
    assert place.run("run", PROJECTED).code == 1
    assert place.run("resume", "1").code == 0
    told = ["churn", "user.ada", "churn.user.ada.ProjectedFlow", True, False]
    for number in (1, 2):
        run = run_of(tmp_path, f"ProjectedFlow/{number}")
        assert {"project:churn", "project_branch:user.ada"} <= run.system_tags
        assert run["start"].task.data.told == told  # type: ignore[union-attr]
    assert "ProjectedFlow" in place.run("runs", "--tag", "project_branch:user.ada").stdout


@pytest.mark.parametrize(
    ("given", "branch", "is_production"),
    [
        (["--branch", "wide"], "test.wide", False),
        (["--production"], "prod", True),
        (["--branch", "wide", "--production"], "prod.wide", True),
    ],
)
def test_the_command_line_says_which_branch(
    tmp_path: Path, given: list[str], branch: str, is_production: bool
) -> None:
    Place(tmp_path).run("run", PROJECTED, *given)
    run = run_of(tmp_path, "ProjectedFlow/1")
    assert f"project_branch:{branch}" in run.system_tags
    assert run["start"].task.data.told[1::3] == [branch, is_production]  # type: ignore[union-attr]


def test_a_branch_that_is_none_is_refused_and_flows_without_a_project_have_none(tmp_path: Path) -> None:
    refused = Place(tmp_path).run("run", PROJECTED, "--branch", "a b")
    assert refused.code == 2
    assert "'a b' is no branch" in refused.stderr
    unknown = Place(tmp_path).run("run", PACKAGED, "--branch", "x")
    assert unknown.code == 2
    assert "--branch" in unknown.stderr


async def test_an_engine_heeds_a_project_and_refuses_what_it_cannot_run(tmp_path: Path) -> None:
    async with Engine(tmp_path / "store") as engine:
        with pytest.raises(Exception, match="makes no environments"):
            await engine.start(PACKAGED)


def test_what_stands_over_a_class_is_kept_with_its_graph(tmp_path: Path) -> None:
    told = json.loads(Place(tmp_path).run("graph", PROJECTED, "--format", "json").stdout)
    kept = {item["name"]: item["attributes"] for item in told["decorators"]}
    assert list(kept) == ["project", "schedule", "trigger"]
    assert kept["project"]["name"] == "churn"
    assert kept["schedule"]["hourly"] is True
    assert kept["trigger"]["event"] == "data.ready"


@pytest.mark.parametrize(
    ("attributes", "expression"),
    [
        ({}, "0 0 * * ? *"),
        ({"hourly": True}, "0 * * * ? *"),
        ({"weekly": True, "hourly": True}, "0 0 ? * SUN *"),
        ({"cron": "0 10 * * ? *", "weekly": True}, "0 10 * * ? *"),
    ],
)
def test_a_schedule_is_daily_unless_more_is_said(attributes: dict[str, object], expression: str) -> None:
    assert Schedule(**attributes).expression == expression  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "make",
    [
        lambda: project(name="Upper"),
        lambda: project(name=""),
        lambda: schedule(cron="every day"),
        lambda: schedule(minutely=True),
        lambda: trigger(),
        lambda: trigger(event="a", events=["b"]),
        lambda: trigger(event="with space"),
        lambda: trigger_on_finish(),
        lambda: trigger_on_finish(flow="a.b"),
        lambda: conda_base(packages=["numpy"]),
        lambda: conda(packages={"numpy": 1})(lambda: None),
        lambda: pypi(python=3)(lambda: None),
        lambda: kubernetes(gpu_vendor="intel")(_a_step()),
        lambda: kubernetes(cpu=0)(_a_step()),
        lambda: kubernetes(labels={"a": "x" * 64})(_a_step()),
        lambda: kubernetes(qos="best")(_a_step()),
        lambda: kubernetes(hosts=3)(_a_step()),
        lambda: batch(inferentia=1, trainium=1)(_a_step()),
        lambda: batch(swappiness=101)(_a_step()),
    ],
)
def test_a_wrong_attribute_is_refused(make: object) -> None:
    with pytest.raises(DecoratorError):
        make()  # type: ignore[operator]


def _a_step() -> object:
    def train(self: object) -> None: ...

    return step(train)


def test_a_decorator_twice_is_refused_and_a_derived_flow_may_say_it_anew() -> None:
    @project(name="one")
    @schedule(daily=True)
    class Base(FlowSpec):
        pass

    @project(name="two")
    class Derived(Base):
        pass

    assert [item.name for item in flow_decorators_of(Derived)] == ["project", "schedule"]
    assert branch_of(Derived, user="ada").project_name == "two"  # type: ignore[union-attr]
    with pytest.raises(DecoratorError, match="twice"):
        project(name="three")(Base)


def test_packages_are_refused_unless_the_environment_is_local(tmp_path: Path) -> None:
    refused = Place(tmp_path).run("run", PACKAGED)
    assert refused.code == 2
    assert "Step start has @pypi" in refused.stderr
    assert "packaged.py" in refused.stderr
    assert Place(tmp_path, {"METAFLOW_DEFAULT_ENVIRONMENT": "local"}).run("run", PACKAGED).code == 0
    program = (sys.executable, PACKAGED)
    environment = {"PYTHONPATH": str(Path(__file__).parents[3])}
    started = Place(tmp_path, environment).start("--environment", "local", "run", program=program)
    out, err = started.communicate(timeout=60)
    assert started.returncode == 0, out + err


@pytest.mark.parametrize("spec", ["kubernetes", "batch", "kubernetes:cpu=2"])
def test_a_place_that_cannot_see_the_store_is_refused_before_anything_runs(tmp_path: Path, spec: str) -> None:
    refused = Place(tmp_path).run("run", PROJECTED, "--with", spec)
    assert refused.code == 2
    assert f"is to run on {spec.partition(':')[0]}, which cannot see the store in" in refused.stderr
    assert "--store s3://bucket/prefix" in refused.stderr
    assert not (tmp_path / ".asyncflow" / "asyncflow.db").exists()

"""What a task finds out about itself: its run, its gang, what started it, and where the client looks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from asyncflow import Run, UserError, current, metadata, namespace
from asyncflow.client.place import default_metadata, default_namespace
from tests.cli.place import Place

FLOWS = Path(__file__).parent / "flows"
PLACED = str(FLOWS / "placed.py")
PROJECTED = str(FLOWS / "projected.py")


def run_of(place: Path, pathspec: str) -> tuple[Run, Any]:
    metadata(str(place / ".asyncflow"))
    namespace(None)
    try:
        run = Run(pathspec)
        return run, run.data
    finally:
        default_metadata()
        default_namespace()


@pytest.mark.parametrize("isolation", ["fork", "spawn"])
def test_a_task_knows_its_run_its_gang_and_where_the_client_looks(tmp_path: Path, isolation: str) -> None:
    ended = Place(tmp_path).run(
        "run", PLACED, "--isolation", isolation, "--ui", "none", "--namespace", "user:grace"
    )
    assert ended.code == 0, ended.stderr
    _, data = run_of(tmp_path, "PlacedFlow/1")
    assert (data.run, data.task) == ("PlacedFlow/1", data.here)
    assert data.namespaces == ("user:grace", "user:grace")
    assert (data.started_by, data.in_gang, data.is_gang) == (None, (False, False), True)
    assert [(gang[0], gang[1], gang[2]) for gang in data.gangs] == [("127.0.0.1", 3, at) for at in range(3)]
    assert {gang[3] for gang in data.gangs} == {data.own[0]}


def test_without_a_namespace_it_is_the_users_and_an_empty_one_is_all_runs(tmp_path: Path) -> None:
    place = Place(tmp_path)
    assert place.run("run", PLACED, "--ui", "none").code == 0
    assert place.run("run", PLACED, "--ui", "none", "--namespace", "").code == 0
    assert run_of(tmp_path, "PlacedFlow/1")[1].namespaces == ("user:ada", "user:ada")
    assert run_of(tmp_path, "PlacedFlow/2")[1].namespaces == ("", None)


def test_a_run_is_triggered_by_one_that_has_succeeded_and_by_no_other(tmp_path: Path) -> None:
    place = Place(tmp_path)
    assert place.run("run", PROJECTED).code == 1
    refused = place.run("run", PLACED, "--trigger", "ProjectedFlow/1")
    assert refused.code == 2
    assert "run 1 of ProjectedFlow has not succeeded, it is failed" in refused.stderr
    assert place.run("resume", "1").code == 0
    assert place.run("run", PLACED, "--trigger", "ProjectedFlow/2", "--ui", "none").code == 0
    run, data = run_of(tmp_path, "PlacedFlow/3")
    assert data.started_by == ["ProjectedFlow"]
    assert data.upstream == ["churn", "user.ada", "churn.user.ada.ProjectedFlow", True, False]
    assert run.trigger is not None
    assert [one.pathspec for one in run.trigger.runs] == ["ProjectedFlow/2"]
    assert (run.trigger.event.id, run.trigger.event.type) == ("ProjectedFlow/2", "run")  # type: ignore[union-attr]
    assert "ProjectedFlow" in run.trigger
    with pytest.raises(KeyError):
        run.trigger["Nobody"]


def test_only_a_flow_with_trigger_on_finish_has_the_option(tmp_path: Path) -> None:
    ended = Place(tmp_path).run("run", PROJECTED, "--trigger", "PlacedFlow/1")
    assert ended.code == 2
    assert "--trigger" in ended.stderr


@pytest.mark.parametrize("name", ["run", "task", "parallel", "trigger"])
def test_outside_of_a_task_there_is_none_of_them(name: str) -> None:
    assert name not in current
    with pytest.raises(AttributeError, match=name):
        getattr(current, name)


def test_an_error_of_the_users_own_needs_no_words() -> None:
    assert str(UserError()) == ""

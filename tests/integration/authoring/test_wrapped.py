"""Users' own code around steps: before and after, instead of them, leaving them out, taking their errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncflow import DecoratorError, FlowSpec, step
from asyncflow.testing import run_step_sync
from tests.cli.place import Place
from tests.integration.authoring.flows.wrapped_cases import Cases, Nothing, twice
from tests.integration.authoring.test_flow_decorators import run_of

WRAPPED = str(Path(__file__).parent / "flows" / "wrapped.py")


@pytest.mark.slow
def test_every_form_of_a_users_decorator_works_in_a_run(tmp_path: Path) -> None:
    place = Place(tmp_path)
    ended = place.run("run", WRAPPED, "--with", "retry:times=0")
    assert ended.code == 0, ended.stderr
    run = run_of(tmp_path, "WrappedFlow/1")
    start, end = run["start"].task.data, run["end"].task.data  # type: ignore[union-attr]
    assert start.order == [
        "outer pre",
        "inner pre",
        "configured pre",
        "step",
        "configured post",
        "inner post",
        "outer post",
    ]
    assert run["start"].task.data.after == ["start"]  # type: ignore[union-attr]
    assert (end.calmed, end.instead, end.went) == ("calm: storm", True, "two")
    assert run["lost"].task.data.order[-2:] == ["added pre", "added post"]  # type: ignore[union-attr]
    assert run["waits"].task.data.swallowed == "RuntimeError"  # type: ignore[union-attr]
    assert len(list(run["fan"].tasks())) == 2
    assert end.skipped == "choose"
    assert end.before == ["join", "waits"]
    assert not hasattr(end, "ran")


def test_a_decorator_that_does_nothing_changes_nothing() -> None:
    assert run_step_sync(Cases.start, flow=Cases).artifacts["x"] == 1


def test_a_step_is_left_out_for_this_task_only_if_pre_step_says_so() -> None:
    assert "was_here" not in run_step_sync(Cases.left, flow=Cases, inputs={"leaves": True}).artifacts
    assert run_step_sync(Cases.left, flow=Cases).artifacts["was_here"]


def test_more_than_one_yield_is_an_error() -> None:
    with pytest.raises(DecoratorError, match="more than one yield"):
        run_step_sync(Cases.bad, flow=Cases)


def test_an_error_is_raised_at_the_yield_and_may_become_another() -> None:
    with pytest.raises(KeyError, match="another"):
        run_step_sync(Cases.changes, flow=Cases)


def test_arguments_that_do_not_fit_are_told_where_it_is_written() -> None:
    with pytest.raises(DecoratorError, match="Nothing takes no arguments"):

        class Broken(FlowSpec):
            @Nothing(3)
            @step
            def start(self) -> None: ...

    with pytest.raises(DecoratorError, match="by name"):

        class Broken2(FlowSpec):
            @twice(3)
            @step
            def start(self) -> None: ...

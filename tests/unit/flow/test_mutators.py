"""Mutators change a flow before it runs: step decorators, flow decorators, parameters; its bases stay as they are."""

from __future__ import annotations

from typing import Any

import pytest

from asyncflow import (
    Config,
    DecoratorError,
    FlowMutator,
    FlowSpec,
    MutableFlow,
    MutableStep,
    Parameter,
    ParameterError,
    StepMutator,
    config_expr,
    resources,
    retry,
    step,
    timeout,
)
from asyncflow.flow.decorators import attach, decorators_of
from asyncflow.flow.decorators.flow_level import flow_decorators_of
from asyncflow.flow.errors import DuplicateDecoratorError
from asyncflow.flow.parameters import parameters_of
from asyncflow.flow.parse import parse_flow


def _names(flow_class: type, name: str) -> list[str]:
    parse_flow(flow_class)
    return [one.name for one in decorators_of(flow_class, name)]


class Plain(FlowSpec):
    config = Config("config", default_value={"times": 5, "extra": {"timeout": {"seconds": 9}}})
    alpha = Parameter("alpha", default=1)

    @retry(times=1)
    @step
    def start(self) -> None:
        self.next(self.end)

    @step
    def end(self) -> None: ...


def test_a_flow_mutator_changes_steps_by_what_a_config_says() -> None:
    class Everywhere(FlowMutator):
        def init(self, times: int) -> None:
            self.times = times

        def mutate(self, mutable_flow: MutableFlow) -> None:
            for name, mutable_step in mutable_flow.steps:
                mutable_step.add_decorator(
                    "retry", deco_kwargs={"times": self.times}, duplicates=MutableStep.OVERRIDE
                )
                for deco, attributes in mutable_flow.config.extra.items():
                    mutable_step.add_decorator(deco, deco_kwargs=attributes)
                assert mutable_step.name == name

    @Everywhere(times=config_expr("config.times"))
    class Changed(Plain):
        pass

    assert _names(Changed, "start") == ["retry", "timeout"]
    assert _names(Changed, "end") == ["retry", "timeout"]
    assert [one.attributes()["times"] for one in decorators_of(Changed, "start")[:1]] == [5]
    assert _names(Plain, "start") == ["retry"]
    assert _names(Plain, "end") == []


def test_pre_mutate_changes_parameters_and_flow_decorators() -> None:
    class Reshape(FlowMutator):
        def pre_mutate(self, mutable_flow: MutableFlow) -> None:
            assert [name for name, _ in mutable_flow.parameters] == ["alpha"]
            mutable_flow.add_parameter("beta", Parameter("beta", default=2))
            with pytest.raises(ParameterError, match="already"):
                mutable_flow.add_parameter("beta", Parameter("beta", default=3))
            assert mutable_flow.remove_parameter("alpha")
            assert not mutable_flow.remove_parameter("alpha")
            mutable_flow.add_decorator("project", deco_kwargs={"name": "zoo"})
            mutable_flow.add_decorator("project", deco_kwargs={"name": "farm"})
            assert mutable_flow.has_decorator("project")
            with pytest.raises(DuplicateDecoratorError):
                mutable_flow.add_decorator("project", deco_kwargs={"name": "x"}, duplicates=MutableFlow.ERROR)

        def mutate(self, mutable_flow: MutableFlow) -> None:
            with pytest.raises(DecoratorError, match="in pre_mutate only"):
                mutable_flow.remove_parameter("beta")

    @Reshape
    class Changed(Plain):
        pass

    assert list(parameters_of(Changed)) == ["beta"]
    assert list(parameters_of(Plain)) == ["alpha"]
    parse_flow(Changed)
    assert [one.attributes()["name"] for one in flow_decorators_of(Changed)] == ["zoo"]


def test_a_flow_decorator_is_taken_off() -> None:
    class Quiet(FlowMutator):
        def pre_mutate(self, mutable_flow: MutableFlow) -> None:
            assert [spec[0] for spec in mutable_flow.decorator_specs] == ["schedule"]
            assert mutable_flow.remove_decorator("schedule")

    from asyncflow import schedule

    @schedule(daily=True)
    class Daily(Plain):
        pass

    @Quiet
    class Never(Daily):
        pass

    parse_flow(Never)
    assert flow_decorators_of(Never) == ()
    assert [one.name for one in flow_decorators_of(Daily)] == ["schedule"]


def test_a_step_mutator_sees_what_with_has_put_on() -> None:
    seen: list[Any] = []

    class Look(StepMutator):
        def init(self, *names: str) -> None:
            self.names = names

        def pre_mutate(self, mutable_step: MutableStep) -> None:
            seen.append(("pre", [spec[0] for spec in mutable_step.decorator_specs]))

        def mutate(self, mutable_step: MutableStep) -> None:
            seen.append(("last", [spec[0] for spec in mutable_step.decorator_specs]))
            for name in self.names:
                assert mutable_step.remove_decorator(name)
            assert not mutable_step.remove_decorator("retry", deco_kwargs={"times": 77})
            mutable_step.add_decorator(resources, deco_kwargs={"cpu": 2})

    class Looked(FlowSpec):
        @Look("timeout")
        @timeout(seconds=3)
        @step
        def start(self) -> None:
            self.next(self.end)

        @step
        def end(self) -> None: ...

    parameters_of(Looked)
    attach(Looked, "retry:times=4")
    assert _names(Looked, "start") == ["retry", "resources"]
    assert seen == [("pre", ["timeout"]), ("last", ["timeout", "retry"])]


def test_what_is_not_there_is_named() -> None:
    mutable = MutableFlow(Plain, is_early=True)
    with pytest.raises(AttributeError, match="no step, parameter or config 'nothing'"):
        _ = mutable.nothing
    with pytest.raises(DecoratorError, match="no decorator of flows 'nothing'"):
        mutable.add_decorator("nothing")
    with pytest.raises(DecoratorError, match="nothing"):
        mutable.start.add_decorator("nothing")
    assert mutable.alpha.default == 1
    assert mutable.start.get_decorator_specs("retry")[0][3]["times"] == 1

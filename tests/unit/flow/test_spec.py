"""A flow object: attributes through the binding, what is read-only, what persists, and what it refuses."""

from __future__ import annotations

import copy
import functools
import pickle
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest

from asyncflow.flow.errors import MergeError, MisplacedDecoratorError, ParameterError
from asyncflow.flow.parameters import Parameter, constants_of
from asyncflow.flow.spec import FlowSpec, artifacts_of
from asyncflow.flow.steps import is_step, step, steps_of

MakeFlow = Callable[..., type[FlowSpec]]


class Base(FlowSpec):
    rate = 3
    labels = ["a"]  # noqa: RUF012 - flows have plain class constants
    _private = 1
    alpha = Parameter("alpha", default=0.5)

    @step
    def start(self) -> None:
        self.next(self.end)

    @step
    def end(self) -> None:
        pass

    def helper(self) -> int:
        return 1


class Binding:
    """A task held in memory (the protocol of flow.binding); counts what is loaded."""

    input: Any = "item"
    index: int | None = 2

    def __init__(self, **artifacts: Any) -> None:
        self.artifacts = artifacts
        self.loaded: list[str] = []
        self.merged: list[tuple[Sequence[str], Sequence[str]]] = []

    def load(self, name: str) -> Any:
        self.loaded.append(name)
        return self.artifacts[name]

    def names(self) -> Iterable[str]:
        return self.artifacts

    def foreach_stack(self) -> list[tuple[int, int, Any]]:
        return [(2, 3, "item")]

    def merge(
        self, flow: Any, inputs: Sequence[Any], *, include: Sequence[str], exclude: Sequence[str]
    ) -> None:
        self.merged.append((include, exclude))


def bound(**artifacts: Any) -> tuple[Base, Binding]:
    flow, binding = Base(use_cli=False), Binding(**artifacts)
    flow._binding = binding
    return flow, binding


def test_an_inherited_artifact_is_loaded_once_and_only_when_read() -> None:
    flow, binding = bound(x=[1], y=2)
    assert binding.loaded == []
    assert flow.x is flow.x
    assert binding.loaded == ["x"]


def test_a_change_made_in_place_is_among_the_artifacts() -> None:
    flow, _ = bound(x=[1], y=2)
    flow.x.append(2)
    assert artifacts_of(flow) == {"x": [1, 2]}


def test_deleting_an_inherited_artifact_only_drops_the_loaded_value() -> None:
    flow, binding = bound(x=1)
    flow.x = 5
    del flow.x
    assert flow.x == 1
    assert binding.loaded == ["x"]


def test_a_missing_attribute_is_told_as_metaflow_tells_it() -> None:
    flow, _ = bound()
    with pytest.raises(AttributeError, match=r"^Flow Base has no attribute 'nope'$"):
        _ = flow.nope
    assert not hasattr(flow, "nope")
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        _ = Base(use_cli=False).nope


def test_special_methods_are_never_looked_for_in_the_store() -> None:
    flow, binding = bound()
    assert not hasattr(flow, "__array__")
    assert binding.loaded == []


def test_a_parameter_is_read_from_the_task_and_cannot_be_set() -> None:
    flow, binding = bound(alpha=0.7)
    assert (flow.alpha, flow.alpha, binding.loaded) == (0.7, 0.7, ["alpha"])
    with pytest.raises(AttributeError, match="Flow level attributes and Parameters are not modifiable"):
        flow.alpha = 1  # type: ignore[assignment]
    with pytest.raises(AttributeError, match="not modifiable"):
        del flow.alpha
    assert artifacts_of(flow) == {}


def test_a_constant_is_what_the_run_began_with_and_cannot_be_set() -> None:
    flow, _ = bound(rate=4)
    assert (flow.rate, flow.labels, Base.rate) == (4, ["a"], 3)
    with pytest.raises(AttributeError, match="not modifiable"):
        flow.rate = 5
    flow.labels.append("b")
    assert artifacts_of(flow) == {}, "a constant changed in place is not stored"
    Base.labels.remove("b")


def test_a_plain_object_can_be_filled_and_its_steps_called() -> None:
    flow = Base(use_cli=False)
    flow.alpha = 3  # type: ignore[assignment]
    flow.rate = 9
    flow.start()
    assert (flow.alpha, flow.rate, flow.labels) == (3, 9, ["a"])
    assert flow._next is not None
    assert flow._next.targets == ("end",)
    del flow.rate
    assert flow.rate == 3


def test_constants_are_public_plain_class_attributes_overridden_as_classes_are() -> None:
    class Mixin:
        depth = 7

    class Derived(Mixin, Base):
        rate = 8
        Inner = int
        cached = functools.cached_property(lambda self: 1)

        @property
        def prop(self) -> int:
            return 1

        @staticmethod
        def tool() -> int:
            return 1

    assert constants_of(Base) == {"rate": 3, "labels": ["a"]}
    assert constants_of(Derived) == {"rate": 8, "labels": ["a"], "depth": 7}
    flow = Derived(use_cli=False)
    flow._binding = Binding(depth=70)
    assert flow.depth == 70
    with pytest.raises(AttributeError, match="not modifiable"):
        flow.depth = 1
    assert (flow.prop, flow.tool(), flow.cached) == (1, 1, 1)


def test_a_constant_with_a_name_every_flow_has_is_refused() -> None:
    with pytest.raises(ParameterError, match="sets 'input', which every flow has already"):
        type("Bad", (FlowSpec,), {"input": 3})


def test_functions_lambdas_and_methods_are_dropped_and_all_else_persists() -> None:
    flow, _ = bound()
    flow.f, flow.g, flow.m = (lambda: 1), Base.helper, flow.helper
    flow.builtin, flow.kind, flow.part = len, dict, functools.partial(int, base=2)
    flow._x, flow.none = 1, None
    assert list(artifacts_of(flow)) == ["builtin", "kind", "part", "_x", "none"]


def test_a_flow_cannot_be_pickled_or_copied() -> None:
    flow, _ = bound()
    for attempt in (lambda: pickle.dumps(flow), lambda: pickle.dumps([flow]), lambda: copy.deepcopy(flow)):
        with pytest.raises(TypeError, match="Flows can't be serialized"):
            attempt()


def test_foreach_values_come_from_the_task_and_are_none_outside() -> None:
    flow, _ = bound()
    assert (flow.input, flow.index, flow.foreach_stack()) == ("item", 2, [(2, 3, "item")])
    plain = Base(use_cli=False)
    assert (plain.input, plain.index, plain.foreach_stack()) == (None, None, [])
    with pytest.raises(AttributeError):
        flow.index = 1  # type: ignore[misc]


def test_name_script_name_and_iteration() -> None:
    flow = Base(use_cli=False)
    assert (flow.name, flow.script_name) == ("Base", "test_spec.py")
    assert [method.__name__ for method in flow] == ["start", "end"]
    assert repr(flow) == "<flow Base>"


def test_merge_artifacts_passes_names_on() -> None:
    flow, binding = bound()
    flow.merge_artifacts([], include=["a"])
    flow.merge_artifacts([], exclude=["b"])
    assert binding.merged == [(("a",), ()), ((), ("b",))]


def test_merge_artifacts_refuses_include_with_exclude_texts_and_plain_objects() -> None:
    flow, _ = bound()
    with pytest.raises(MergeError, match="both include and exclude"):
        flow.merge_artifacts([], include=["a"], exclude=["b"])
    with pytest.raises(MergeError, match="include='abc'") as caught:
        flow.merge_artifacts([], include="abc")
    assert caught.value.hint == "Give a list: include=['abc']"
    with pytest.raises(MergeError, match="running task only"):
        Base(use_cli=False).merge_artifacts([])


def test_steps_are_found_base_first_and_step_marks_plain_methods_only() -> None:
    class Derived(Base):
        @step
        def extra(self) -> None:
            pass

    assert list(steps_of(Derived)) == ["start", "end", "extra"]
    assert is_step(Derived.extra)
    assert not is_step(Derived.helper)
    with pytest.raises(MisplacedDecoratorError, match="@step must decorate a method, not property"):
        step(property(lambda self: 1))  # type: ignore[type-var]


def test_constructing_outside_a_script_gives_a_plain_object() -> None:
    assert Base()._binding is None

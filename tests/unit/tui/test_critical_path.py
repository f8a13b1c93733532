"""The critical path is the way through the graph on which the time went."""

from __future__ import annotations

from asyncflow.machine.graph import StepNode, Transition
from asyncflow.tui.model import RunModel, StepModel


def _model(**took: float | None) -> RunModel:
    nodes = (
        StepNode(name="start", transition=Transition.SPLIT, next=("a", "b")),
        StepNode(name="a", transition=Transition.LINEAR, next=("c",)),
        StepNode(name="b", transition=Transition.LINEAR, next=("join",)),
        StepNode(name="c", transition=Transition.LINEAR, next=("join",)),
        StepNode(name="join", transition=Transition.LINEAR, next=("end",), closes="start"),
        StepNode(name="end", transition=Transition.END),
    )
    model = RunModel(run=1, steps={node.name: StepModel(node.name, node) for node in nodes})
    for name, seconds in took.items():
        step = model.steps[name]
        if seconds is not None:
            step.launched_at, step.ended_at = 100.0, 100.0 + seconds
    return model


def test_it_goes_where_the_sum_of_times_is_largest() -> None:
    assert _model(start=1, a=2, b=5, c=4, join=1, end=1).critical_path(0) == [
        "start",
        "a",
        "c",
        "join",
        "end",
    ]
    assert _model(start=1, a=2, b=9, c=4, join=1, end=1).critical_path(0) == ["start", "b", "join", "end"]


def test_steps_that_did_not_begin_are_not_on_it() -> None:
    assert _model(start=1, a=2, b=1).critical_path(0) == ["start", "a"]
    assert _model().critical_path(0) == []

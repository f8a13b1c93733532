"""`current` in a task and outside, and the wrapper `@catch` stores."""

from __future__ import annotations

import pickle
from contextvars import copy_context

import pytest

from asyncflow.flow.current import Current, _CurrentOfTask
from asyncflow.flow.failure import CaughtFailure, UnpicklableException, dotted_name, dotted_names


def in_task(**more: object) -> Current:
    current = Current()
    values: dict[str, object] = {
        "flow_name": "F", "run_id": "42", "step_name": "train", "task_id": "7", "retry_count": 1,
        "path": (3, 0), "iteration": 0, "graph": lambda: {"steps": {}}, "tags": frozenset({"t"}),
    }  # fmt: skip
    current._bind(**(values | more))
    return current


def test_in_a_task_it_tells_where_it_is() -> None:
    current = in_task()
    assert current.is_running_flow
    assert (current.flow_name, current.run_id, current.task_id, current.retry_count) == ("F", "42", "7", 1)
    assert current.pathspec == "F/42/train/7"
    assert current.graph == {"steps": {}}
    assert current.tags == {"t"}
    assert current.origin_run_id is None
    assert current.get("run_id") == "42"
    assert "run_id" in current
    assert "origin_run_id" not in current
    assert "run_id" in list(current)
    assert "run_id" in dir(current)


def test_outside_a_task_it_is_empty() -> None:
    current = in_task()
    current._clear()
    assert not current.is_running_flow
    assert (current.run_id, current.pathspec, current.idempotency_key, current.retry_count) == (
        None,
        None,
        None,
        0,
    )
    assert (current.tags, current.tempdir) == (frozenset(), ".")
    assert "run_id" not in current
    assert current.get("graph", "none") == "none"
    with pytest.raises(RuntimeError, match="only while a flow runs"):
        _ = current.graph


def test_the_idempotency_key_is_the_same_for_every_attempt_and_no_other_task() -> None:
    key = in_task().idempotency_key
    assert key == "42/train/3.0"
    assert in_task(retry_count=5, task_id="99").idempotency_key == key
    others = {in_task(path=(3, 1)), in_task(path=()), in_task(iteration=2), in_task(run_id="43")}
    assert len({key, *(other.idempotency_key for other in others)}) == 5


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("card", "no @card"),
        ("run", "no flow is running"),
        ("project_name", "no @project"),
        ("nope", "no such attribute"),
    ],
)
def test_what_is_not_there_says_why(name: str, why: str) -> None:
    with pytest.raises(AttributeError, match=why):
        getattr(in_task(), name)
    assert in_task().get(name, 3) == 3


class LocalError(Exception):
    def __init__(self, first: int, second: int) -> None:
        super().__init__(f"{first} {second}")


def test_a_caught_failure_keeps_exception_type_and_stacktrace() -> None:
    try:
        _ = 1 / 0
    except ZeroDivisionError as error:
        caught = CaughtFailure(error)
    again = pickle.loads(pickle.dumps(caught))
    assert isinstance(again.exception, ZeroDivisionError)
    assert again.type == "builtins.ZeroDivisionError"
    assert "_ = 1 / 0" in again.stacktrace
    assert str(again) == again.stacktrace
    assert repr(again) == "<CaughtFailure builtins.ZeroDivisionError: division by zero>"


def test_an_exception_that_cannot_be_pickled_is_kept_as_text() -> None:
    unpicklable = ValueError("bad")
    unpicklable.thing = lambda: 1  # type: ignore[attr-defined]
    for error in (unpicklable, LocalError(1, 2)):
        again = pickle.loads(pickle.dumps(CaughtFailure(error)))
        assert isinstance(again.exception, UnpicklableException)
        assert str(error) in str(again.exception)
        assert again.type == dotted_name(type(error))


def test_a_failure_without_exception_has_what_it_was_told() -> None:
    again = pickle.loads(pickle.dumps(CaughtFailure(None, type="killed", stacktrace="")))
    assert (again.exception, again.type, again.stacktrace) == (None, "killed", "")
    assert CaughtFailure(None).type == "unknown"


def test_dotted_names_are_the_class_and_its_bases() -> None:
    assert dotted_names(KeyError) == (
        "builtins.KeyError", "builtins.LookupError", "builtins.Exception", "builtins.BaseException",
    )  # fmt: skip


def test_where_tasks_share_a_thread_each_context_has_its_own_values() -> None:
    shared = Current()
    shared.__class__ = _CurrentOfTask
    contexts = [copy_context(), copy_context()]
    for number, context in enumerate(contexts):
        context.run(shared._bind, task_id=str(number))
    assert [context.run(lambda: shared.task_id) for context in contexts] == ["0", "1"]
    assert shared.task_id is None
    assert not shared.is_running_flow

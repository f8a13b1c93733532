"""`self.next` at run time: every form, every refusal, and the values of foreach and switch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from asyncflow.flow.binding import NextCall
from asyncflow.flow.errors import InvalidNextError
from asyncflow.flow.next import check_static, chosen_target, foreach_items
from asyncflow.flow.parse import parse_flow
from asyncflow.flow.spec import FlowSpec
from asyncflow.flow.steps import step


class F(FlowSpec):
    @step
    def start(self) -> None:
        self.next(self.a, self.b)

    @step
    def a(self) -> None:
        self.next(self.end)

    @step
    def b(self) -> None:
        self.next(self.end)

    @step
    def end(self) -> None:
        pass

    def helper(self) -> None:
        pass


class Other(FlowSpec):
    @step
    def a(self) -> None:
        pass


def called(call: Callable[[F], object]) -> NextCall:
    flow = F(use_cli=False)
    call(flow)
    assert flow._next is not None
    return flow._next


def test_every_form_is_understood() -> None:
    assert called(lambda f: f.next(f.a)) == NextCall(targets=("a",))
    assert called(lambda f: f.next(f.b, f.a)) == NextCall(targets=("b", "a"))
    assert called(lambda f: f.next(f.a, foreach="xs")) == NextCall(targets=("a",), foreach="xs")
    assert called(lambda f: f.next(f.a, num_parallel=3)) == NextCall(targets=("a",), num_parallel=3)
    assert called(lambda f: f.next({"x": f.a, "y": f.b, "z": f.a}, condition="k")) == NextCall(
        targets=("a", "b"), condition="k", cases={"x": "a", "y": "b", "z": "a"}
    )


REFUSED: list[tuple[str, Callable[[Any], object]]] = [
    ("unknown option 'forech'", lambda f: f.next(f.a, forech="xs")),
    (
        "foreach= and num_parallel=, which exclude each other",
        lambda f: f.next(f.a, foreach="x", num_parallel=2),
    ),
    ("foreach= and condition=, which exclude", lambda f: f.next({1: f.a}, foreach="x", condition="k")),
    ("got no step", lambda f: f.next()),
    ("names a step twice: a, a", lambda f: f.next(f.a, f.a)),
    ("takes one step, got 2: a, b", lambda f: f.next(f.a, f.b, foreach="xs")),
    ("foreach= must be the name of an attribute, got list", lambda f: f.next(f.a, foreach=[1])),
    ("must be a whole number of at least 1, got 0", lambda f: f.next(f.a, num_parallel=0)),
    ("must be a whole number of at least 1, got True", lambda f: f.next(f.a, num_parallel=True)),
    ("helper, which is not a step of flow F", lambda f: f.next(f.helper)),
    ("'a', which is not a step", lambda f: f.next("a")),
    ("None, which is not a step", lambda f: f.next(f.helper())),
    ("a, which is not a step of flow F", lambda f: f.next(Other(use_cli=False).a)),
    ("condition= needs one dictionary", lambda f: f.next(f.a, condition="k")),
    ("condition= needs one dictionary", lambda f: f.next({}, condition="k")),
    ("needs condition=", lambda f: f.next({1: f.a})),
    ("condition= must be the name", lambda f: f.next({1: f.a}, condition=3)),
    ("'b', which is not a step", lambda f: f.next({1: f.a, 2: "b"}, condition="k")),
    ("called twice", lambda f: (f.next(f.a), f.next(f.b))),
]


@pytest.mark.parametrize(("words", "call"), REFUSED, ids=[words for words, _ in REFUSED])
def test_a_wrong_call_is_refused_for_good(words: str, call: Callable[[Any], object]) -> None:
    flow = F(use_cli=False)
    with pytest.raises(InvalidNextError) as caught:
        call(flow)
    assert words in caught.value.message
    assert caught.value.hint
    assert caught.value.is_retryable is False


def test_a_refusal_names_the_line_of_the_call() -> None:
    flow = F(use_cli=False)
    with pytest.raises(InvalidNextError) as caught:
        flow.next(flow.helper)
    assert "test_next.py:" in caught.value.where
    assert caught.value.source == "flow.next(flow.helper)"


def test_foreach_items_are_the_attribute_whatever_iterable_it_is() -> None:
    flow = F(use_cli=False)
    call = NextCall(targets=("a",), foreach="xs")
    for value in ([1, 2], (), {"k": 1}, {1}, (n for n in "ab"), "ab"):
        flow.xs = value
        assert foreach_items(flow, call) is value


def test_foreach_over_nothing_iterable_or_nothing_at_all_is_refused() -> None:
    flow = F(use_cli=False)
    call = NextCall(targets=("a",), foreach="xs")
    with pytest.raises(InvalidNextError, match=r"self\.xs was never set"):
        foreach_items(flow, call)
    flow.xs = 3
    with pytest.raises(InvalidNextError, match=r"self\.xs is int, which has no items"):
        foreach_items(flow, call)


def test_a_switch_picks_by_plain_lookup() -> None:
    flow = F(use_cli=False)
    call = NextCall(targets=("a", "b"), condition="k", cases={1: "a", "x": "b"})
    flow.k = True
    assert chosen_target(flow, call) == "a"
    flow.k = "x"
    assert chosen_target(flow, call) == "b"


def test_a_switch_without_a_case_for_the_value_lists_its_cases() -> None:
    flow = F(use_cli=False)
    call = NextCall(targets=("a", "b"), condition="k", cases={1: "a", "x": "b"})
    flow.k = "y"
    with pytest.raises(RuntimeError, match=r"self\.k has no case for 'y'; its cases are 1, 'x'"):
        chosen_target(flow, call)
    flow.k = []
    with pytest.raises(InvalidNextError, match=r"self\.k is list, which cannot pick a case"):
        chosen_target(flow, call)
    del flow.k
    with pytest.raises(InvalidNextError, match=r"self\.k was never set"):
        chosen_target(flow, call)


def test_a_call_other_than_the_last_statement_is_found_out() -> None:
    info = parse_flow(F).steps["start"]
    check_static(info, NextCall(targets=("a", "b")))
    with pytest.raises(InvalidNextError, match="Step start went to b, but its last statement goes to a, b"):
        check_static(info, NextCall(targets=("b",)))
    for other in (
        NextCall(targets=("a", "b"), num_parallel=2),
        NextCall(targets=("a", "b"), foreach="xs"),
        NextCall(targets=("a", "b"), cases={1: "a", 2: "b"}),
    ):
        with pytest.raises(InvalidNextError, match="goes to a, b plainly"):
            check_static(info, other)
    with pytest.raises(InvalidNextError) as caught:
        check_static(info, NextCall(targets=("a", "b"), condition="k"))
    assert caught.value.source == "self.next(self.a, self.b)"

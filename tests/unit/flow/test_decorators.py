"""Step decorators: where they may stand, what attributes they take, and `--with`."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncflow.flow.decorators import (
    DECORATORS,
    Catch,
    Environment,
    Resources,
    Retry,
    Timeout,
    attach,
    catch,
    decorators_of,
    environment,
    parse_spec,
    resources,
    retry,
    timeout,
)
from asyncflow.flow.errors import (
    DecoratorAttributeError,
    DuplicateDecoratorError,
    MisplacedDecoratorError,
    UnknownDecoratorError,
)
from asyncflow.flow.spec import FlowSpec
from asyncflow.flow.steps import step
from asyncflow.machine.graph import RetryPolicy
from asyncflow.plugins import BACKENDS, names


class OtherError(Exception):
    pass


def on_step(decorator: Callable[..., object]) -> type[FlowSpec]:
    def start(self: FlowSpec) -> None:
        pass

    return type("F", (FlowSpec,), {"start": decorator(step(start))})


def only(decorator: Callable[..., object]) -> object:
    return decorators_of(on_step(decorator), "start")[0]


def test_bare_and_called_forms_are_equal() -> None:
    assert only(retry) == only(retry())
    assert only(retry).times == 3  # type: ignore[attr-defined]
    assert only(retry(times=2)).times == 2  # type: ignore[attr-defined]


def test_decorators_are_listed_from_the_bottom_up() -> None:
    class F(FlowSpec):
        @retry
        @catch(var="e")
        @timeout(hours=1)
        @step
        def start(self) -> None:
            pass

    assert [item.name for item in decorators_of(F, "start")] == ["timeout", "catch", "retry"]


def test_a_decorator_below_step_is_refused_with_the_right_order() -> None:
    def start(self: FlowSpec) -> None:
        pass

    with pytest.raises(MisplacedDecoratorError, match="@retry is not above a @step") as caught:
        retry(start)
    assert "@step below it" in caught.value.hint
    assert "test_decorators.py:" in caught.value.where


def test_attributes_without_names_are_refused() -> None:
    with pytest.raises(MisplacedDecoratorError) as caught:
        retry(4)  # type: ignore[call-overload]
    assert caught.value.hint == "Give attributes by name, such as @retry(times=...)"


def test_the_same_decorator_twice_is_refused() -> None:
    with pytest.raises(DuplicateDecoratorError, match="Step start has @retry twice") as caught:
        on_step(lambda method: retry(retry(method)))
    assert "test_decorators.py:" in caught.value.where


def test_an_unknown_attribute_is_refused_and_the_known_ones_listed() -> None:
    with pytest.raises(DecoratorAttributeError, match="@retry has no attribute 'time'") as caught:
        on_step(retry(time=3))  # type: ignore[call-overload]
    assert "times, minutes_between_retries, delay" in caught.value.hint
    assert "test_decorators.py:" in caught.value.where


WRONG: list[tuple[str, Callable[..., object]]] = [
    ("times=-1, which is not a whole number", retry(times=-1)),
    ("times='many'", retry(times="many")),  # type: ignore[call-overload]
    ("times=True", retry(times=True)),
    ("backoff=0.5, which is not a number of at least 1", retry(backoff=0.5)),
    ("jitter=2", retry(jitter=2)),
    ("delay=nan", retry(delay=float("nan"))),
    ("on=(3,), which is not an exception class", retry(on=(3,))),  # type: ignore[call-overload]
    ("var='not a name'", catch(var="not a name")),
    ("print_exception='maybe'", catch(print_exception="maybe")),  # type: ignore[call-overload]
    ("which is not a time", timeout),
    ("which is not a time", timeout(seconds=0, minutes=0)),
    ("hours=-1", timeout(hours=-1)),
    ("vars=['A']", environment(vars=["A"])),  # type: ignore[call-overload]
    ("vars={'A=B': '1'}", environment(vars={"A=B": "1"})),
    ("vars={'A': None}", environment(vars={"A": None})),  # type: ignore[call-overload,dict-item]
    ("cpu='two'", resources(cpu="two")),  # type: ignore[call-overload]
    ("memory=-1", resources(memory=-1)),
]


@pytest.mark.parametrize(("words", "decorator"), WRONG, ids=[words for words, _ in WRONG])
def test_a_value_that_does_not_fit_is_refused(words: str, decorator: Callable[..., object]) -> None:
    with pytest.raises(DecoratorAttributeError) as caught:
        on_step(decorator)
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("decorator", "policy"),
    [
        (retry, RetryPolicy(times=3)),
        (retry(times=0), RetryPolicy(times=0)),
        (retry(times=50, minutes_between_retries=9), RetryPolicy(times=50)),
        (retry(delay=2), RetryPolicy(times=3, delay_s=2.0)),
        (retry(backoff=2), RetryPolicy(times=3, delay_s=1.0, backoff=2.0)),
        (retry(delay=0.5, backoff=2, max_delay=9, jitter=1),
         RetryPolicy(times=3, delay_s=0.5, backoff=2.0, max_delay_s=9.0, jitter=1.0)),
        (retry(on=OtherError), RetryPolicy(times=3, on=(f"{__name__}.OtherError",))),
        (retry(on=[ValueError, "KeyError", "a.b.C"]),  # type: ignore[call-overload]
         RetryPolicy(times=3, on=("builtins.ValueError", "builtins.KeyError", "a.b.C"))),
    ],
)  # fmt: skip
def test_retry_is_said_in_the_machines_words(decorator: Callable[..., object], policy: RetryPolicy) -> None:
    decorated = only(decorator)
    assert isinstance(decorated, Retry)
    assert decorated.policy() == policy


def test_only_resources_given_explicitly_are_counted() -> None:
    plain, some = only(resources), only(resources(gpu=1, memory="100"))  # type: ignore[call-overload]
    assert isinstance(plain, Resources)
    assert isinstance(some, Resources)
    assert (plain.cpu, plain.memory, plain.counted().cpu, plain.counted().memory_mb) == (1, 4096, None, None)
    assert (some.counted().gpu, some.counted().memory_mb, some.counted().cpu) == (1.0, 100.0, None)


def test_timeouts_are_summed() -> None:
    limit = only(timeout(seconds=1, minutes=1, hours=1))
    assert isinstance(limit, Timeout)
    assert limit.timeout_s == 3661.0


def test_environment_values_become_texts_and_are_hidden_from_readers() -> None:
    found = only(environment(vars={"A": 1, "B": "x,y"}))  # type: ignore[dict-item]
    assert isinstance(found, Environment)
    assert found.vars == {"A": "1", "B": "x,y"}
    assert found.shown() == {"vars": {"A": "...", "B": "..."}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("retry", Retry()),
        ("retry:", Retry()),
        ("retry:times=4,minutes_between_retries=0.5", Retry(times=4, minutes_between_retries=0.5)),
        ("catch:var=oops,print_exception=false", Catch(var="oops", print_exception=False)),
        ("catch:var=oops,print_exception=False", Catch(var="oops", print_exception=False)),
        ('environment:vars={"A":"x,B=1","C":"}\\""}', Environment(vars={"A": "x,B=1", "C": '}"'})),
        ('retry:on=["ValueError","a.B"],times=1', Retry(times=1, on=("ValueError", "a.B"))),
        ("timeout:seconds=1_0", Timeout(seconds=10)),
    ],
)
def test_spec_text_is_read(text: str, expected: object) -> None:
    found = parse_spec(text)
    assert type(found) is type(expected)
    assert found.attributes() == expected.attributes()  # type: ignore[attr-defined]


def test_an_unknown_name_in_with_lists_the_known_ones() -> None:
    with pytest.raises(UnknownDecoratorError, match="Unknown step decorator 'rety'") as caught:
        parse_spec("rety:times=2")
    assert (
        caught.value.hint
        == f"Did you mean retry? Known: {', '.join(sorted({*DECORATORS, *names(BACKENDS)}))}"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("retry:4", "'4' in --with retry:4 has no value"),
        ("retry:tries=4", "@retry has no attribute 'tries'"),
        ("timeout:seconds=soon", "seconds='soon', which is not a number"),
    ],
)
def test_wrong_attributes_in_with_are_refused(text: str, words: str) -> None:
    with pytest.raises(DecoratorAttributeError) as caught:
        parse_spec(text)
    assert words in caught.value.message


def test_with_reaches_every_step_that_lacks_the_decorator_and_no_other_flow() -> None:
    class Base(FlowSpec):
        @retry(times=1)
        @step
        def start(self) -> None:
            pass

        @step
        def end(self) -> None:
            pass

    class Derived(Base):
        pass

    attach(Derived, "retry:times=9")
    attach(Derived, "retry:times=8")
    attach(Derived, "timeout:seconds=5")
    names = {name: [item.name for item in decorators_of(Derived, name)] for name in ("start", "end")}
    assert names == {"start": ["retry", "timeout"], "end": ["retry", "timeout"]}
    assert [decorators_of(Derived, name)[0].times for name in ("start", "end")] == [1, 9]  # type: ignore[attr-defined]
    assert decorators_of(Base, "end") == ()


@given(
    st.dictionaries(st.from_regex(r"[A-Z_]{1,5}", fullmatch=True), st.text().filter(lambda t: "\0" not in t))
)
def test_any_environment_survives_being_written_as_spec_text(variables: dict[str, str]) -> None:
    found = parse_spec(f"environment:vars={json.dumps(variables)}")
    assert isinstance(found, Environment)
    assert found.vars == variables

"""@concurrency and @rate_limit: what they take, what they refuse, and what the machine gets of them."""

from __future__ import annotations

from typing import Any

import pytest

from asyncflow import FlowSpec, concurrency, rate_limit, step
from asyncflow.flow.decorators import attach, parse_spec
from asyncflow.flow.errors import DecoratorAttributeError, LintError
from asyncflow.flow.lint import check
from asyncflow.flow.parse import parse_flow
from asyncflow.machine.graph import Permit


class LimitedFlow(FlowSpec):
    """One step with both, one with neither."""

    @concurrency(5, key="api")
    @rate_limit(100, per="second", key="api")
    @rate_limit(1000, per="day", key="api")
    @step
    def start(self) -> None:
        self.next(self.middle)

    @concurrency(2)
    @rate_limit(3, per=2.5)
    @step
    def middle(self) -> None:
        self.next(self.end)

    @step
    def end(self) -> None:
        pass


def permits(flow: type[FlowSpec], name: str) -> tuple[Permit, ...]:
    return parse_flow(flow).to_machine().steps[name].permits


def test_the_machine_gets_every_limit_of_a_step() -> None:
    assert sorted(permits(LimitedFlow, "start")) == [
        Permit("api", 5),
        Permit("api", 100, 1.0),
        Permit("api", 1000, 86400.0),
    ]
    assert permits(LimitedFlow, "end") == ()


def test_without_a_key_the_step_of_the_flow_is_meant() -> None:
    assert sorted(permits(LimitedFlow, "middle")) == [
        Permit("LimitedFlow/middle", 2),
        Permit("LimitedFlow/middle", 3, 2.5),
    ]


def test_they_come_from_outside_too_on_every_step() -> None:
    class Attached(LimitedFlow):
        pass

    attach(Attached, "concurrency:limit=7,key=api")
    attach(Attached, "rate_limit:n=4,per=hour,key=9")
    assert permits(Attached, "end") == (Permit("api", 7), Permit("9", 4, 3600.0))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("concurrency", "limit=None, which is not a whole number of at least 1"),
        ("concurrency:limit=0", "limit=0"),
        ("concurrency:limit=2.5", "limit=2.5"),
        ("concurrency:limit=many", "limit='many'"),
        ("concurrency:limit=1,key=", "key=''"),
        ('concurrency:limit=1,key="a\\nb"', "printable"),
        ("concurrency:limit=1,per=second", "no attribute 'per'"),
        ("rate_limit:n=0", "n=0"),
        ("rate_limit:n=5,per=fortnight", "second, minute, hour, day, or a number of seconds"),
        ("rate_limit:n=5,per=0", "per=0"),
        ("rate_limit:n=5,per=-1", "per=-1"),
        ("rate_limit:n=5,per=true", "per=True"),
        ("rate_limit:per=second", "n=None"),
    ],
)
def test_what_makes_no_sense_is_refused_and_named(text: str, message: str) -> None:
    with pytest.raises(DecoratorAttributeError) as caught:
        parse_spec(text)
    assert message in str(caught.value)


@pytest.mark.parametrize("bare", [concurrency, rate_limit])
def test_the_bare_form_is_refused_as_it_says_no_number(bare: Any) -> None:
    with pytest.raises(DecoratorAttributeError, match="None"):

        class BareFlow(FlowSpec):
            @bare
            @step
            def start(self) -> None:
                self.next(self.end)

            @step
            def end(self) -> None:
                pass


def test_a_gang_cannot_have_them() -> None:
    from asyncflow import parallel

    class GangFlow(FlowSpec):
        @step
        def start(self) -> None:
            self.next(self.work, num_parallel=2)

        @concurrency(1)
        @parallel
        @step
        def work(self) -> None:
            self.next(self.join)

        @step
        def join(self, inputs: Any) -> None:
            self.next(self.end)

        @step
        def end(self) -> None:
            pass

    with pytest.raises(LintError, match="cannot have @concurrency, because it is a gang"):
        check(parse_flow(GangFlow))

"""When a request is tried again, and how fast a server is asked."""

from __future__ import annotations

import pytest

from asyncflow.store.s3.policy import Rate, Verdict, pause_s, verdict_of


@pytest.mark.parametrize(
    ("status", "code", "verdict"),
    [
        (503, "SlowDown", Verdict.SLOW_DOWN),
        (503, "503", Verdict.SLOW_DOWN),
        (400, "ThrottlingException", Verdict.SLOW_DOWN),
        (429, "TooManyRequests", Verdict.SLOW_DOWN),
        (500, "InternalError", Verdict.AGAIN),
        (400, "RequestTimeout", Verdict.AGAIN),
        (409, "ConditionalRequestConflict", Verdict.AGAIN),
        (404, "NoSuchKey", Verdict.FINAL),
        (412, "PreconditionFailed", Verdict.FINAL),
        (403, "AccessDenied", Verdict.FINAL),
    ],
)
def test_only_what_may_pass_is_tried_again(status: int, code: str, verdict: Verdict) -> None:
    assert verdict_of(status, code) is verdict


def test_pauses_are_random_below_a_bound_that_doubles_up_to_twenty_seconds() -> None:
    assert [pause_s(tries, 1.0) for tries in (1, 2, 3, 9)] == [0.1, 0.2, 0.4, 20.0]
    assert pause_s(5, 0.0) == 0.0


def test_nothing_waits_before_a_server_complains() -> None:
    rate = Rate()

    assert [rate.wait_s(at / 1000) for at in range(5000)] == [0.0] * 5000
    assert rate.limit is None


def test_after_a_complaint_a_part_of_what_went_through_does() -> None:
    rate = Rate()
    for at in range(300):
        rate.wait_s(at / 100)

    rate.slow_down(3.0)

    assert rate.limit == pytest.approx(70, rel=0.05)
    waits = [rate.wait_s(3.0) for _ in range(71)]
    assert waits[-1] == pytest.approx(1.0, rel=0.1)


def test_complaints_of_one_storm_count_once() -> None:
    rate = Rate()
    for at in range(100):
        rate.wait_s(at / 100)

    rate.slow_down(1.0)
    first = rate.limit
    rate.slow_down(1.1)
    rate.slow_down(1.2)

    assert rate.limit == first


def test_the_rate_recovers_and_is_lifted_after_a_minute() -> None:
    rate = Rate()
    for at in range(100):
        rate.wait_s(at / 100)
    rate.slow_down(1.0)
    cut = rate.limit
    assert cut is not None

    rate.wait_s(11.0)
    assert rate.limit is not None
    assert rate.limit > cut * 1.5

    rate.wait_s(62.0)
    assert rate.limit is None


def test_the_rate_never_falls_to_nothing() -> None:
    rate = Rate()

    for at in range(100):
        rate.slow_down(float(at))

    assert rate.limit == 2.0

"""How fast a cluster is asked, and when again."""

from __future__ import annotations

from asyncflow.backends.kubernetes.pacing import Pace, pause_s


def test_pauses_double_up_to_a_bound() -> None:
    bounds = [pause_s(tries, 1.0) for tries in range(1, 12)]
    assert bounds[:3] == [0.2, 0.4, 0.8]
    assert bounds[-1] == bounds[-2] == 20.0
    assert pause_s(3, 0.0) == 0.0


def test_what_the_server_asks_for_is_added() -> None:
    assert pause_s(1, 0.5, 7.0) == 7.1


def test_a_burst_goes_at_once_and_then_the_rate_holds() -> None:
    pace = Pace(10.0, 5.0)
    assert [pace.wait_s(0.0) for _ in range(5)] == [0.0] * 5
    assert [round(pace.wait_s(0.0), 3) for _ in range(2)] == [0.1, 0.2]
    assert pace.wait_s(10.0) == 0.0


def test_a_429_halves_the_rate_and_peace_restores_it() -> None:
    pace = Pace(100.0, 10.0)
    pace.wait_s(0.0)
    pace.slow_down(1.0)
    pace.slow_down(1.1)  # of the same storm
    assert pace.per_s == 50.0
    pace.slow_down(2.0)
    assert pace.per_s == 25.0
    pace.wait_s(4.0)
    assert pace.per_s == 45.0
    pace.wait_s(60.0)
    assert pace.per_s == 100.0


def test_the_rate_never_ends() -> None:
    pace = Pace(100.0, 10.0)
    for second in range(100):
        pace.slow_down(float(second))
    assert pace.per_s == 2.0

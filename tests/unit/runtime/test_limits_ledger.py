"""Who gets the next permit: shares, turns, windows, the dead."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncflow.runtime.limits_ledger import GONE_S, TURN_S, Answer, Ledger, Offer, exchange


def everybody(token: str) -> bool:
    return True


def ask(
    ledger: Ledger,
    token: str,
    now: float,
    *,
    held: int = 0,
    wants: int = 0,
    limit: int = 5,
    started: tuple[float, ...] = (),
    is_alive: Callable[[str], bool] = everybody,
) -> Answer:
    offer = Offer(token=token, pid=1, run=token, limit=limit, held=held, wants=wants, started=started)
    return exchange(ledger, offer, now, is_alive)


def at_a_time() -> Ledger:
    return Ledger("concurrency:api", None)


def starts(per_s: float = 1.0) -> Ledger:
    return Ledger("rate:api", per_s)


def test_a_run_alone_gets_all_there_is_and_no_more() -> None:
    ledger = at_a_time()
    assert ask(ledger, "a", 1.0, wants=9).given == 5
    assert ask(ledger, "a", 2.0, held=5, wants=4).given == 0


def test_whoever_holds_more_than_his_share_is_asked_to_let_some_go() -> None:
    ledger = at_a_time()
    ask(ledger, "a", 1.0, wants=5, limit=4)
    assert ask(ledger, "b", 1.1, wants=4, limit=4).given == 0
    assert ask(ledger, "a", 1.2, held=4, limit=4).recalled == 2
    assert ask(ledger, "a", 1.3, held=3, wants=1, limit=4).given == 0
    assert ask(ledger, "b", 1.4, wants=4, limit=4).given == 1
    assert ask(ledger, "a", 1.5, held=2, wants=2, limit=4).given == 0
    assert ask(ledger, "b", 1.6, held=1, wants=3, limit=4).given == 1
    assert ask(ledger, "a", 1.7, held=2, wants=2, limit=4).recalled == 0


def test_more_runs_than_permits_take_turns_the_longest_waiting_first() -> None:
    ledger = at_a_time()
    ask(ledger, "a", 1.0, wants=1, limit=1)
    ask(ledger, "b", 1.1, wants=1, limit=1)
    ask(ledger, "c", 1.2, wants=1, limit=1)
    assert ask(ledger, "a", 1.3, held=1, limit=1).recalled == 0
    later = 1.3 + TURN_S
    ask(ledger, "b", later, wants=1, limit=1)
    ask(ledger, "c", later, wants=1, limit=1)
    assert ask(ledger, "a", later, held=1, limit=1).recalled == 1
    assert ask(ledger, "a", later, wants=1, limit=1).given == 0, "it stands behind those that wait"
    assert ask(ledger, "c", later, wants=1, limit=1).given == 0
    assert ask(ledger, "b", later, wants=1, limit=1).given == 1


def test_a_run_that_was_stopped_while_it_waited_is_waited_for_no_longer() -> None:
    ledger = at_a_time()
    ask(ledger, "a", 1.0, wants=1, limit=1)
    ask(ledger, "stopped", 1.1, wants=1, limit=1)
    ask(ledger, "b", 9.0, wants=1, limit=1)
    ask(ledger, "a", 9.0, limit=1)
    assert ask(ledger, "b", 9.0, wants=1, limit=1).given == 1


def test_the_smallest_limit_that_a_living_run_gives_counts() -> None:
    ledger = at_a_time()
    ask(ledger, "a", 1.0, wants=1, limit=2)
    answer = ask(ledger, "b", 1.1, wants=9, limit=8)
    assert (answer.given, answer.limit) == (1, 2)
    ask(ledger, "a", 1.2, limit=2)
    assert ask(ledger, "b", 1.3, held=1, wants=8, limit=8).given == 7


def test_what_the_dead_held_is_free_when_their_tasks_must_be_dead_too() -> None:
    ledger = at_a_time()
    ask(ledger, "dead", 1.0, wants=5)

    def is_alive(token: str) -> bool:
        return token != "dead"

    assert ask(ledger, "a", 2.0, wants=5, is_alive=is_alive).given == 0
    assert ask(ledger, "a", 2.1 + GONE_S, wants=5, is_alive=is_alive).given == 5


def test_starts_are_spread_evenly() -> None:
    ledger = starts()
    assert ask(ledger, "a", 10.0, wants=5, limit=10).given == 1
    answer = ask(ledger, "a", 10.01, held=1, wants=4, limit=10)
    assert answer.given == 0
    assert answer.again_at == pytest.approx(10.1, abs=0.03)
    assert ask(ledger, "a", 10.1, held=1, wants=4, limit=10).given == 1


def test_a_handful_of_starts_need_not_wait_where_many_an_hour_are_allowed() -> None:
    ledger = starts(3600.0)
    given = [ask(ledger, "a", 100.0 + i, held=i, wants=1, limit=4).given for i in range(6)]
    assert given == [1, 1, 1, 1, 0, 0]


def test_a_start_counts_from_its_permit_until_a_window_after_it_was_past() -> None:
    ledger = starts()
    for held in range(2):
        assert ask(ledger, "a", 10.0 + held, held=held, wants=1, limit=2).given == 1
    assert ask(ledger, "a", 30.0, held=2, wants=1, limit=2).given == 0, "neither is known to be past"
    answer = ask(ledger, "a", 30.0, held=1, wants=1, limit=2, started=(29.5,))
    assert answer.given == 0
    assert answer.again_at is not None
    assert 30.5 < answer.again_at < 30.6
    assert ask(ledger, "a", answer.again_at + 0.01, held=1, wants=1, limit=2).given == 1


def test_a_permit_to_start_that_is_given_back_unused_does_not_count() -> None:
    ledger = starts(10.0)
    assert ask(ledger, "a", 10.0, wants=1, limit=1).given == 1
    ask(ledger, "a", 10.1, limit=1)
    assert ask(ledger, "a", 11.1, wants=1, limit=1).given == 1


def test_starts_of_the_dead_count_from_when_they_were_missed() -> None:
    ledger = starts()
    ask(ledger, "dead", 10.0, wants=1, limit=1)

    def is_alive(token: str) -> bool:
        return token != "dead"

    ask(ledger, "a", 50.0, wants=1, limit=1, is_alive=is_alive)
    assert ask(ledger, "a", 51.0, wants=1, limit=1, is_alive=is_alive).given == 0
    assert ask(ledger, "a", 52.1, wants=1, limit=1, is_alive=is_alive).given == 1


def test_a_ledger_with_times_that_cannot_be_does_not_block_for_ever() -> None:
    ledger = starts()
    ledger.past, ledger.next_at = [(1e9, 100)], 1e9
    ask(ledger, "a", 10.0, wants=1, limit=100)
    assert ask(ledger, "a", 11.2, wants=1, limit=100).given == 1


def test_a_ledger_of_a_hundred_thousand_starts_a_day_stays_small() -> None:
    ledger = starts(86400.0)
    past = tuple(float(second) for second in range(0, 86400, 20))
    ask(ledger, "a", 86400.0, limit=100_000, started=past)
    assert len(ledger.past) <= 140
    assert Ledger.from_data(ledger.to_data()) == ledger


@given(st.integers(0, 2**32), st.integers(1, 30), st.sampled_from((0.5, 1.0, 7.0)))
@settings(max_examples=60, deadline=None)
def test_no_window_ever_holds_more_starts_than_the_limit_however_late_they_are(
    seed: int, limit: int, per_s: float
) -> None:
    random, ledger, now = Random(seed), starts(per_s), 100.0
    held = {"a": 0, "b": 0}
    ends: list[tuple[float, str]] = []
    calls: list[float] = []
    for _ in range(600):
        now += random.random() * per_s / limit
        token = random.choice(("a", "b"))
        past = tuple(at for at, holder in ends if holder == token and at <= now)
        ends = [(at, holder) for at, holder in ends if holder != token or at > now]
        held[token] -= len(past)
        answer = ask(ledger, token, now, held=held[token], wants=3, limit=limit, started=past)
        held[token] += answer.given
        for _ in range(answer.given):
            late = random.random() * random.choice((0.0, 0.1, 2.0)) * per_s
            calls.append(now + late)
            ends.append((now + late + random.random() * 0.1 * per_s, token))
    calls.sort()
    assert all(later - earlier > per_s for earlier, later in zip(calls, calls[limit:], strict=False))


@given(st.integers(0, 2**32), st.integers(1, 8), st.integers(2, 5))
@settings(max_examples=60, deadline=None)
def test_never_more_run_than_the_limit_and_everybody_gets_a_turn(seed: int, limit: int, runs: int) -> None:
    random, ledger, now = Random(seed), at_a_time(), 100.0
    held = {str(run): 0 for run in range(runs)}
    owed = dict.fromkeys(held, 0)
    served = dict.fromkeys(held, 0)
    for _ in range(1500):
        now += 0.05
        token = random.choice(list(held))
        if held[token] and random.random() < 0.7:
            held[token] -= 1 if owed[token] or random.random() < 0.3 else 0
            owed[token] = max(0, owed[token] - 1)
        answer = ask(ledger, token, now, held=held[token], wants=0 if owed[token] else 4, limit=limit)
        held[token] += answer.given
        served[token] += answer.given
        owed[token] = max(owed[token], min(answer.recalled, held[token]))
        assert sum(held.values()) <= limit
    assert all(served.values()), served

"""The short form: a few passages of every point. All of them: `python -m tests.crash_points --all`."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.crash_points.cases import POINTS, Outcome, Point, passages, reference, survive
from tests.crash_points.choice import chosen_numbers, spread

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

Running = dict[Point, dict[int, Future[Outcome]]]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("crash")


@pytest.fixture(scope="module")
def running(directory: Path) -> Running:
    """All cases, two at a time; a test waits for those of its point."""
    expected = reference(directory / "reference")
    cases = chosen_numbers(directory, POINTS, is_complete=False)
    pool = ThreadPoolExecutor(2)
    futures: Running = {point: {} for point in POINTS}
    for point, number in cases:
        futures[point][number] = pool.submit(survive, directory, point, number, expected)
    return futures


@pytest.mark.parametrize("point", POINTS, ids=str)
def test_a_run_killed_at_this_point_is_recovered(point: Point, running: Running) -> None:
    outcomes = {number: future.result() for number, future in running[point].items()}
    assert {number: outcome.faults for number, outcome in outcomes.items() if outcome.faults} == {}
    assert any(outcome.went_off for outcome in outcomes.values()), f"nothing passes {point}"


def test_every_point_is_passed_by_the_flow(directory: Path) -> None:
    counts = passages(directory / "again")
    assert {
        name: counts[name, "before"] for name, _ in counts if name != "file" and not counts[name, "before"]
    } == {}


def test_a_few_numbers_are_spread_over_all() -> None:
    assert spread(2, 3, 0) == [1, 2]
    assert spread(9, 3, 0) == [1, 4, 7]
    assert {number for shift in range(40) for number in spread(9, 2, shift)} == set(range(1, 10))

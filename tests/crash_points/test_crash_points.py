"""The short form: a few passages of every point. All of them: `python -m tests.crash_points --all`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.subject import Reference
from tests.crash_points.cases import POINTS, Point, passages, reference, survive
from tests.crash_points.choice import spread

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    return reference(tmp_path_factory.mktemp("reference"))


@pytest.fixture(scope="module")
def counts(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], int]:
    return passages(tmp_path_factory.mktemp("counts"))


@pytest.mark.parametrize("point", POINTS, ids=str)
def test_a_run_killed_at_this_point_is_recovered(
    point: Point, expected: Reference, counts: dict[tuple[str, str], int], tmp_path: Path
) -> None:
    # Given how often an undisturbed run passes the point
    count = counts[point.name, point.when]
    assert count > 0, f"nothing passes {point}: the bomb lies where nobody goes"
    # When it is killed at a few of those passages, and resumed
    numbers = spread(count, 3, POINTS.index(point))
    outcomes = {number: survive(tmp_path, point, number, expected) for number in numbers}
    # Then it ends as if nothing had happened
    assert {number: outcome.faults for number, outcome in outcomes.items() if outcome.faults} == {}
    assert any(outcome.went_off for outcome in outcomes.values())

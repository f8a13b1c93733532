"""Every case ends under asyncflow as it did under Metaflow, or it is said why not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import pytest

from tests.differential.better import DIFFERENT
from tests.differential.cases import CASES
from tests.differential.compare import RECORDED, run_case

pytestmark = pytest.mark.slow


@cache
def recorded() -> dict[str, Any]:  # Any: JSON
    return json.loads(RECORDED.read_text())


@pytest.fixture(scope="module")
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Any]]:
    """The chosen cases, run two at a time, as most of a case is the start of a process."""
    chosen = [item.callspec.params["name"] for item in request.session.items if _is_case(item)]
    with ThreadPoolExecutor(2) as pool:
        yield {name: pool.submit(run_case, CASES[name], tmp_path_factory.mktemp(name)) for name in chosen}


def _is_case(item: Any) -> bool:  # Any: pytest's, with or without parameters
    return getattr(item, "originalname", "") == "test_a_flow_ends_as_under_metaflow"


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", list(CASES))
def test_a_flow_ends_as_under_metaflow(name: str, running: dict[str, Any]) -> None:
    ours = json.loads(json.dumps(running[name].result()))
    found = dict(differences(recorded()[name], ours))
    expected = DIFFERENT[name].places if name in DIFFERENT else ()
    assert {place: both for place, both in found.items() if place not in expected} == {}
    assert [place for place in expected if place not in found] == [], "no longer different"


def test_every_case_is_recorded_and_what_differs_is_about_a_case() -> None:
    assert list(recorded()) == list(CASES)
    assert len(CASES) >= 60
    assert set(DIFFERENT) <= set(CASES)


def differences(
    theirs: Any, ours: Any, place: str = ""
) -> Iterator[tuple[str, tuple[Any, Any]]]:  # Any: JSON
    """Yield where they differ, and both values there."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in dict.fromkeys([*theirs, *ours]):
            yield from differences(theirs.get(key), ours.get(key), f"{place}.{key}".lstrip("."))
    elif (
        isinstance(theirs, list)
        and isinstance(ours, list)
        and len(theirs) == len(ours)
        and _is_of_dicts(ours)
    ):
        for index, (one, other) in enumerate(zip(theirs, ours, strict=True)):
            yield from differences(one, other, f"{place}[{index}]")
    elif theirs != ours:
        yield place, (theirs, ours)


def _is_of_dicts(values: list[Any]) -> bool:  # Any: JSON
    return all(isinstance(value, dict) for value in values)

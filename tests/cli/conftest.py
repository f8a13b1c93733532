"""Places to run commands in: an empty one for each test, and one with runs in it that tests only look at."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.place import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A directory without a store."""
    return Place(tmp_path)


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A store with three runs: 1 succeeded, 2 failed, 3 succeeded, of another flow. Only to look at."""
    place = Place(tmp_path_factory.mktemp("history"))
    assert place.run("run", place.flow("letters"), "--tag", "first", "--tag", "kept").code == 0
    assert place.run("run", place.flow("letters"), "--times", "0").code == 1
    assert place.run("run", place.flow("shapes")).code == 0
    return place

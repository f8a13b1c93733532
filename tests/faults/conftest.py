"""What the tests of faults share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.commands import Workplace
from tests.chaos.subject import Reference, reference_of
from tests.faults.support import FLOW, Disk, mounted_disk


@pytest.fixture(scope="session")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    return reference_of(FLOW, tmp_path_factory.mktemp("reference") / "work")


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace.make(tmp_path / "work")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with mounted_disk(tmp_path / "disk", "16m") as disk:
        yield disk


@pytest.fixture
def place_on_disk(tmp_path: Path, disk: Disk) -> Workplace:
    return Workplace.make(tmp_path / "work", home=disk.path / "store")

"""A working directory with nothing in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.place import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A directory without a store."""
    return Place(tmp_path)

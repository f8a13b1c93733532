"""A store of its own for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncflow.store.local import LocalStore


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """An empty store."""
    return LocalStore(str(tmp_path / ".asyncflow"))

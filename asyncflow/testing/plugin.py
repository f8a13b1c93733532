"""What pytest finds by itself where asyncflow is installed: the fixture `asyncflow_store`."""

from __future__ import annotations

from pathlib import Path

import pytest

__all__ = ["asyncflow_store"]


@pytest.fixture
def asyncflow_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of the test's own: whatever is run or read in the test, also by other processes, is there.

    Returns:
        Its directory, which the environment variable ASYNCFLOW_HOME names while the test runs.
    """
    home = tmp_path / "asyncflow-store"
    monkeypatch.setenv("ASYNCFLOW_HOME", str(home))
    return home

"""Runs of one flow, made once: one that succeeded, one that failed, and one that resumed it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from asyncflow.client.place import default_metadata, default_namespace, metadata, namespace

FLOW = Path(__file__).parent / "flows" / "family.py"


def asyncflow(home: Path, *args: str, code: int = 0) -> None:
    """Run a command, and see that it exits with `code`."""
    environment = {**os.environ, "ASYNCFLOW_HOME": str(home), "ASYNCFLOW_USER": "ada"}
    command = [sys.executable, "-m", "asyncflow", *args]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == code, done.stdout + done.stderr


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with run 1 (succeeded), 2 (failed at its end) and 3 (2 resumed and corrected by nobody: failed, too)."""
    home = tmp_path_factory.mktemp("client") / ".asyncflow"
    asyncflow(home, "run", str(FLOW), "--tag", "first", "--alpha", "0.25")
    asyncflow(home, "run", str(FLOW), "--is_broken", "true", "--tag", "second", code=1)
    asyncflow(home, "resume", "2", code=1)
    return home


@pytest.fixture
def _looking(home: Path) -> Iterator[None]:
    """Read that store, and look at all its runs."""
    metadata(str(home))
    namespace(None)
    yield
    default_metadata()
    default_namespace()

"""A store in a bucket, for machines that share nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.remote.machines import Cluster
from tests.services import moto
from tests.services.faults import Proxy, faulty


@pytest.fixture
def cluster(aws: str, tmp_path: Path) -> Iterator[Cluster]:
    """Machines that share a bucket, and a platform of processes."""
    made = Cluster(tmp_path, f"s3://{moto.make_bucket(aws)}/place", aws)
    yield made
    made.clear_away()


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[Cluster]:
    """One machine whose store is a directory, and a platform of processes that sees it."""
    made = Cluster(tmp_path, "", "")
    yield made
    made.clear_away()


@pytest.fixture
def storm(aws: str) -> Iterator[Proxy]:
    """A proxy before the server, for machines whose way to it is bad."""
    with faulty(aws) as proxy:
        yield proxy

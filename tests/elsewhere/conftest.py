"""What tests of runs on other platforms ask for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.elsewhere.pods import Pods
from tests.elsewhere.standin import GATES, Gate
from tests.services import moto
from tests.services.kube.fixture import (  # noqa: F401 - fixtures
    Kube,
    Server,
    fresh_namespace,
    kube,
    kube_server,
    serve,
)
from tests.services.radosgw import gateway


@pytest.fixture(scope="session")
def gates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the gates that hold stand-ins back."""
    return tmp_path_factory.mktemp("gates")


@pytest.fixture(scope="session")
def radosgw() -> str:
    """The address of an S3 server that keeps connections, and checks signatures."""
    return gateway().endpoint


@pytest.fixture(scope="session")
def standin_server(radosgw: str, gates: Path) -> Iterator[Server]:
    """A cluster with room for thousands, whose pods are stand-ins for workers."""
    room = "cpu=4000,memory=16000Gi,ephemeral-storage=99000Gi,pods=9000"
    call = "tests.elsewhere.standin:work"
    environment = {**moto.environment(radosgw), GATES: str(gates)}
    with serve(
        "--mode", "noop", "--noop", "0", "--noop-call", call, "--node", f"big,{room}", environment=environment
    ) as server:
        yield server


@pytest.fixture
def standins(standin_server: Server, tmp_path: Path) -> Iterator[Kube]:
    """A fresh namespace whose pods are stand-ins for workers."""
    with fresh_namespace(standin_server, tmp_path / "standins") as given:
        yield given


@pytest.fixture
def gate(gates: Path, standins: Kube) -> Gate:
    """The gate of that namespace; open until somebody says how many it admits."""
    return Gate(gates, standins.namespace)


@pytest.fixture
def pods(kube: Kube, aws: str, tmp_path: Path) -> Pods:  # noqa: F811 - a fixture
    """A cluster whose pods are processes, and machines that use it."""
    made = Pods.of(kube, aws, tmp_path)
    made.give_keys()
    return made


@pytest.fixture
def wide(standins: Kube, radosgw: str, tmp_path: Path) -> Pods:
    """A cluster whose pods are stand-ins, and machines that use it."""
    return Pods.of(standins, radosgw, tmp_path)

"""What every room's tests may ask for."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from tests.services import moto, needed
from tests.services.batch import handle
from tests.services.batch.handle import Batch
from tests.services.batch.runners import DOCKER, NOOP
from tests.services.faults import Proxy, faulty


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let a test that needs a real server run only with it."""
    needed.require_marked(item)


def pytest_collection_finish() -> None:
    """Let no garbage collection look at the tests and all that they import: they stay to the end."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say aloud what was skipped for want of a server."""
    lines = needed.summary()
    if lines:
        terminalreporter.section("skipped for want of a service", yellow=True)
        for line in lines:
            terminalreporter.line(line, yellow=True)


@pytest.fixture(scope="session")
def aws() -> Iterator[str]:
    """The address of a moto server, one a session."""
    with moto.moto_server() as endpoint:
        yield endpoint


@pytest.fixture
def bucket(aws: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A fresh bucket; this process's environment points at its server."""
    _point_at(aws, monkeypatch)
    return moto.make_bucket(aws)


@pytest.fixture
def proxy(aws: str, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy before the server of `bucket`; the environment points at it."""
    with faulty(aws) as stands:
        monkeypatch.setenv("ASYNCFLOW_S3_ENDPOINT_URL", stands.endpoint)
        yield stands


@pytest.fixture
def batch(aws: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Batch]:
    """AWS Batch with a queue whose jobs are processes of this machine; the environment points at its server."""
    _point_at_batch(aws, monkeypatch)
    with handle.batch(aws) as given:
        yield given


@pytest.fixture
def docker_batch(aws: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Batch]:
    """AWS Batch with a queue whose jobs run in Docker, with real limits of memory."""
    needed.require("docker")
    _point_at_batch(aws, monkeypatch)
    with handle.batch(aws, DOCKER) as given:
        yield given


@pytest.fixture
def noop_batch(aws: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Batch]:
    """AWS Batch with a queue that is wide enough for 10,000 jobs, which pass through their states and run nothing."""
    _point_at_batch(aws, monkeypatch)
    with handle.batch(aws, NOOP, max_vcpus=10_000) as given:
        yield given


def _point_at_batch(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _point_at(endpoint, monkeypatch)
    for name, value in handle.settings(endpoint).items():
        monkeypatch.setenv(name, value)


def _point_at(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {**moto.KEYS, "ASYNCFLOW_S3_ENDPOINT_URL": endpoint}.items():
        monkeypatch.setenv(name, value)

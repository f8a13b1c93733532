"""What every room's tests may ask for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services import moto
from tests.services.faults import Proxy, faulty


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


def _point_at(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {**moto.KEYS, "ASYNCFLOW_S3_ENDPOINT_URL": endpoint}.items():
        monkeypatch.setenv(name, value)

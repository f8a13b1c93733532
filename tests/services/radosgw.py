"""Ceph's gateway for tests: an S3 server that checks signatures. `make services` starts it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.services import moto, needed


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """Where it is, and whose keys it takes."""

    endpoint: str
    access_key: str
    secret_key: str


def gateway() -> Gateway:
    """Return the server; skip the test, or fail it, if it is not up."""
    told = needed.require("radosgw")
    given = Gateway(
        endpoint=told["RADOSGW_ENDPOINT"],
        access_key=told["RADOSGW_ACCESS_KEY"],
        secret_key=told["RADOSGW_SECRET_KEY"],
    )
    moto.know_keys(given.endpoint, given.access_key, given.secret_key)
    return given


def point_at(given: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process's environment name the server and its keys."""
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    own = {"AWS_ACCESS_KEY_ID": given.access_key, "AWS_SECRET_ACCESS_KEY": given.secret_key}
    for name, value in {**moto.KEYS, **own, "ASYNCFLOW_S3_ENDPOINT_URL": given.endpoint}.items():
        monkeypatch.setenv(name, value)

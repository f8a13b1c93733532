"""AWS's own variable points every client of ours at the test's server."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _at_the_server(aws: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    for name in ("batch", "noop_batch"):
        if name in request.fixturenames:
            request.getfixturevalue(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws)
    for name in ("BATCH_JOB_QUEUE", "BATCH_CONTAINER_IMAGE", "ECS_S3_ACCESS_IAM_ROLE"):
        monkeypatch.delenv(f"ASYNCFLOW_{name}", raising=False)
        monkeypatch.delenv(f"METAFLOW_{name}", raising=False)

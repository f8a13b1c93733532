"""The contract of `test_objects.py` against a server that checks signatures, and what only such a one can show."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from asyncflow.errors import StoreError
from asyncflow.store.objects import Objects
from asyncflow.store.s3.failures import BucketMissing, CredentialsError
from tests.contract import test_objects as contract
from tests.contract.objects import CLIENTS, opened
from tests.services import moto
from tests.services.faults import FLIPPED_BODY, Proxy, faulty
from tests.services.radosgw import Gateway, gateway, point_at

pytestmark = [pytest.mark.needs("radosgw"), pytest.mark.slow]

globals().update(
    {
        name: value
        for name, value in vars(contract).items()
        if name.startswith("test_") or name in ("objects", "in_bucket", "behind")
    }
)


@pytest.fixture
def rados() -> Gateway:
    return gateway()


@pytest.fixture
def aws(rados: Gateway) -> str:
    """The gateway in moto's place."""
    return rados.endpoint


@pytest.fixture
def bucket(rados: Gateway, monkeypatch: pytest.MonkeyPatch) -> str:
    point_at(rados, monkeypatch)
    return moto.make_bucket(rados.endpoint)


@pytest.fixture
def proxy(aws: str, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    with faulty(aws) as stands:
        monkeypatch.setenv("ASYNCFLOW_S3_ENDPOINT_URL", stands.endpoint)
        yield stands


async def put_with(client: str, bucket: str) -> None:
    async with opened(client, f"s3://{bucket}") as objects:
        await objects.put("a", b"data")


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_wrong_secret_is_told_in_words(
    client: str, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "somebody-elses")

    with pytest.raises(CredentialsError) as refused:
        await put_with(client, bucket)

    assert "SignatureDoesNotMatch" in str(refused.value)
    assert "somebody-elses" not in str(refused.value)


@pytest.mark.parametrize("client", CLIENTS)
async def test_an_unknown_key_is_told_in_words(
    client: str, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")

    with pytest.raises(CredentialsError, match="InvalidAccessKeyId"):
        await put_with(client, bucket)


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_missing_bucket_is_told_in_words(
    client: str, rados: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    point_at(rados, monkeypatch)

    with pytest.raises(BucketMissing):
        await put_with(client, "no-such-bucket-here")


async def test_a_body_that_changes_on_its_way_is_refused(behind: Objects, proxy: Proxy) -> None:
    fault = proxy.order(FLIPPED_BODY, "PUT .*/precious")

    with pytest.raises(StoreError):
        await behind.put("precious", b"what was meant")

    assert fault.fired >= 1
    assert await behind.get("precious") is None

"""GETs past the library's machinery: that they are made, and that whatever is unusual goes through the library."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from asyncflow.store.s3.address import S3Settings, parse_url
from asyncflow.store.s3.aio import S3Objects
from asyncflow.store.s3.failures import AccessDenied
from tests.contract.objects import DIRECT, opened
from tests.services.faults import BROKEN, DENIED, EXPIRED, SLOW_DOWN, Proxy


@pytest.fixture
async def objects(bucket: str, proxy: Proxy) -> AsyncIterator[S3Objects]:
    """Objects behind the proxy, of a client that has learnt."""
    async with opened(DIRECT, f"s3://{bucket}/some/place") as given:
        assert isinstance(given, S3Objects)
        await given.put("here", b"it is")
        proxy.requests.clear()
        proxy.direct.clear()
        yield given


async def data_of(objects: S3Objects, key: str = "here") -> bytes | None:
    received = await objects.get(key)
    return None if received is None else received.data


async def test_the_second_get_is_the_first_that_goes_directly(bucket: str, proxy: Proxy) -> None:
    async with S3Objects(parse_url(f"s3://{bucket}")) as objects:
        await objects.put("here", b"it is")

        read = [await data_of(objects) for _ in range(3)]

    assert read == [b"it is"] * 3
    assert proxy.direct == [f"GET /{bucket}/here"] * 2


async def test_what_is_missing_or_cut_is_one_request(objects: S3Objects, proxy: Proxy) -> None:
    assert await objects.get("nowhere") is None
    assert (await objects.get("here", offset=1, length=2)) is not None

    assert len(proxy.requests) == len(proxy.direct) == 2


async def test_the_end_of_a_range_that_is_beyond_is_asked_of_the_library(
    objects: S3Objects, proxy: Proxy
) -> None:
    received = await objects.get("here", offset=50)

    assert received is not None
    assert (received.data, received.info.size_bytes) == (b"", 5)
    assert len(proxy.direct) == 1


async def test_storms_are_met_with_pauses_and_not_with_twice_the_requests(
    objects: S3Objects, proxy: Proxy
) -> None:
    storm = [proxy.order(SLOW_DOWN, "GET .*/here", 2), proxy.order(BROKEN, "GET .*/here", 1)]

    assert await data_of(objects) == b"it is"

    assert [fault.fired for fault in storm] == [2, 1]
    assert len(proxy.requests) == len(proxy.direct) == 4


@pytest.mark.parametrize("kind", [EXPIRED, DENIED])
async def test_who_is_refused_asks_the_library_and_learns_anew(
    kind: str, objects: S3Objects, proxy: Proxy
) -> None:
    refused = proxy.order(kind, "GET .*/here", 1)

    read = [await data_of(objects) for _ in range(2)]

    assert refused.fired == 1
    assert read == [b"it is"] * 2
    assert len(proxy.requests) == 3
    assert len(proxy.direct) == 2, "refused, and after the lesson"


async def test_who_is_refused_again_and_again_asks_the_library_alone(
    objects: S3Objects, proxy: Proxy
) -> None:
    for _ in range(3):
        proxy.order(DENIED, "GET .*/here", 1)
        await data_of(objects)
        proxy.heal()
    proxy.direct.clear()

    assert await data_of(objects) == b"it is"

    assert proxy.direct == []


async def test_a_refusal_that_lasts_is_told_in_words(objects: S3Objects, proxy: Proxy) -> None:
    proxy.order(DENIED, "GET .*/here", None)

    with pytest.raises(AccessDenied):
        await objects.get("here")


async def test_a_bucket_that_moved_is_found_by_the_library(objects: S3Objects, proxy: Proxy) -> None:
    proxy.region = "eu-west-3"

    read = [await data_of(objects) for _ in range(2)]

    assert read == [b"it is"] * 2
    assert proxy.sent_elsewhere >= 1
    assert proxy.requests[-1] == proxy.direct[-1], "what was learnt anew is signed for there"


async def test_another_bucket_over_the_same_connections_has_a_lesson_of_its_own(
    objects: S3Objects, bucket: str, proxy: Proxy
) -> None:
    other = objects.at(parse_url(f"s3://{bucket}/elsewhere"))
    await other.put("here", b"not that")
    proxy.direct.clear()

    read = [await data_of(other) for _ in range(2)]

    assert read == [b"not that"] * 2
    assert len(proxy.direct) == 1


async def test_a_client_with_options_of_its_own_is_asked_by_the_library(bucket: str, proxy: Proxy) -> None:
    given = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    settings = S3Settings(
        endpoint_url=proxy.endpoint, region="us-east-1", path_style=True, client_options=given
    )
    async with S3Objects(parse_url(f"s3://{bucket}"), settings) as objects:
        await objects.put("here", b"it is")

        assert [await data_of(objects) for _ in range(2)] == [b"it is"] * 2

    assert proxy.direct == []

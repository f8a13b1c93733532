"""What both clients of a bucket promise, against a server over HTTP, and a directory in place of one."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from asyncflow.store.objects import Objects
from asyncflow.store.s3.requests import PART_BYTES
from tests.contract.objects import CLIENTS, DIRECT, DIRECTORY, opened
from tests.services import moto
from tests.services.faults import BROKEN, CUT_BODY, LOST_ANSWER, SLOW_DOWN, Proxy


@pytest.fixture(params=[*CLIENTS, DIRECT, DIRECTORY])
async def objects(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Objects]:
    if request.param == DIRECTORY:
        url = str(tmp_path / "home" / "shared")
    else:
        url = f"s3://{request.getfixturevalue('bucket')}/some/place"
    async with opened(request.param, url) as objects:
        yield objects


@pytest.fixture(params=[*CLIENTS, DIRECT])
async def in_bucket(request: pytest.FixtureRequest, bucket: str) -> AsyncIterator[Objects]:
    async with opened(request.param, f"s3://{bucket}/some/place") as objects:
        yield objects


@pytest.fixture(params=[*CLIENTS, DIRECT])
async def behind(request: pytest.FixtureRequest, bucket: str, proxy: Proxy) -> AsyncIterator[Objects]:
    """Objects behind the proxy."""
    async with opened(request.param, f"s3://{bucket}/some/place") as objects:
        proxy.requests.clear()
        yield objects


async def test_what_was_put_is_got(objects: Objects) -> None:
    await objects.put("a/b", b"hello, world")
    await objects.put("a/b", b"hello", content_type="text/plain", metadata={"colour": "blue"})

    received = await objects.get("a/b")
    info = await objects.head("a/b")

    assert received is not None
    assert info is not None
    assert (received.data, received.info.size_bytes, info.size_bytes) == (b"hello", 5, 5)
    assert received.info.etag == info.etag != ""
    assert 0 <= info.age_s < 60


async def test_an_object_of_the_same_length_has_another_etag(objects: Objects) -> None:
    await objects.put("a", b"one")
    before = await objects.head("a")
    await objects.put("a", b"two")
    after = await objects.head("a")

    assert before is not None
    assert after is not None
    assert before.etag != after.etag


async def test_what_keys_have_in_front_of_a_slash_is_no_object(objects: Objects) -> None:
    await objects.put("a/b", b"hello")

    assert await objects.head("a") is None
    assert await objects.get("a") is None
    await objects.delete(["a"])
    assert await objects.head("a/b") is not None


async def test_what_is_said_of_an_object_is_kept(in_bucket: Objects) -> None:
    await in_bucket.put("a/b", b"hello", content_type="text/plain", metadata={"colour": "blue"})

    info = await in_bucket.head("a/b")

    assert info is not None
    assert (info.content_type, dict(info.metadata)) == ("text/plain", {"colour": "blue"})


async def test_keys_are_below_the_prefix(in_bucket: Objects, aws: str, bucket: str) -> None:
    await in_bucket.put("a/b", b"hello")

    assert moto.client(aws).get_object(Bucket=bucket, Key="some/place/a/b")["Body"].read() == b"hello"


async def test_keys_may_have_any_character(objects: Objects) -> None:
    for key in ("a b+c", "ä/ö&ü=?#%41", "日本/語", "x'y\"z<>"):
        await objects.put(key, key.encode())

        received = await objects.get(key)

        assert received is not None
        assert received.data == key.encode()
    assert len([info async for info in objects.list("")]) == 4


async def test_what_is_not_there_is_none(objects: Objects) -> None:
    assert await objects.get("nothing") is None
    assert await objects.head("nothing") is None
    assert await objects.get("nothing", offset=5, length=0) is None
    await objects.delete(["nothing"])


async def test_ranges_are_cut_at_the_end(objects: Objects) -> None:
    await objects.put("digits", b"0123456789")

    async def part(offset: int, length: int | None) -> bytes:
        received = await objects.get("digits", offset=offset, length=length)
        assert received is not None
        assert received.info.size_bytes == 10
        return received.data

    assert await part(2, 3) == b"234"
    assert await part(7, None) == b"789"
    assert await part(7, 100) == b"789"
    assert await part(10, 5) == b""
    assert await part(0, 0) == b""


async def test_an_empty_object_is_one(objects: Objects, tmp_path: Path) -> None:
    await objects.put("empty", b"")

    received = await objects.get("empty")

    assert received is not None
    assert received.data == b""
    assert await objects.get_file("empty", str(tmp_path / "empty")) is not None
    assert (tmp_path / "empty").read_bytes() == b""


async def test_of_twenty_writers_one_is_told_that_it_wrote(objects: Objects) -> None:
    told: dict[int, bool] = {}

    async def write(number: int) -> None:
        told[number] = await objects.put_new("lock", b"writer %d" % number)

    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(write, number)

    winners = [number for number, won in told.items() if won]
    received = await objects.get("lock")
    assert len(winners) == 1
    assert received is not None
    assert received.data == b"writer %d" % winners[0]


@pytest.mark.slow
async def test_a_large_file_goes_in_parts_and_comes_back_in_ranges(objects: Objects, tmp_path: Path) -> None:
    data = os.urandom(1 << 20) * 33 + b"tail"
    assert len(data) > 2 * PART_BYTES
    (tmp_path / "there").write_bytes(data)

    assert await objects.put_file("large", str(tmp_path / "there"))
    info = await objects.get_file("large", str(tmp_path / "back"))

    assert info is not None
    assert info.size_bytes == len(data)
    assert (tmp_path / "back").read_bytes() == data
    assert not await objects.put_file("large", str(tmp_path / "there"), only_new=True)


async def test_a_small_file_is_one_request_each_way(behind: Objects, proxy: Proxy, tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"x" * 1000)

    assert await behind.put_file("small", str(tmp_path / "there"), only_new=True)
    assert not await behind.put_file("small", str(tmp_path / "there"), only_new=True)
    await behind.get_file("small", str(tmp_path / "back"))

    assert (tmp_path / "back").read_bytes() == b"x" * 1000
    assert len(proxy.asked("PUT")) == 2
    assert len(proxy.asked("GET")) == 1


async def test_lists_are_in_order_over_pages_and_begin_where_they_are_told(objects: Objects) -> None:
    for key in ("a/2", "a/1", "a/3", "ab", "b/1"):
        await objects.put(key, b".")

    assert [info.key async for info in objects.list("a/", page=2)] == ["a/1", "a/2", "a/3"]
    assert [info.key async for info in objects.list("a", after="a/1")] == ["a/2", "a/3", "ab"]
    levels = [(info.key, info.is_prefix) async for info in objects.list("", one_level=True)]
    assert levels == [("a/", True), ("ab", False), ("b/", True)]


async def test_more_than_a_thousand_are_deleted(objects: Objects) -> None:
    async with anyio.create_task_group() as group:
        for number in range(5):
            group.start_soon(objects.put, f"k/{number}", b"")

    await objects.delete([f"k/{number}" for number in range(1003)])

    assert [info async for info in objects.list("")] == []


async def test_slow_down_is_survived(behind: Objects, proxy: Proxy) -> None:
    fault = proxy.order(SLOW_DOWN, "PUT .*/calm", times=3)

    await behind.put("calm", b"in the end")

    received = await behind.get("calm")
    assert fault.fired == 3
    assert received is not None
    assert received.data == b"in the end"


async def test_errors_of_the_server_are_survived(behind: Objects, proxy: Proxy) -> None:
    await behind.put("here", b"it is")
    faults = [proxy.order(BROKEN, "GET .*/here", times=2), proxy.order(BROKEN, "HEAD .*/here")]

    received = await behind.get("here")
    info = await behind.head("here")

    assert received is not None
    assert info is not None
    assert (received.data, info.size_bytes) == (b"it is", 5)
    assert [fault.fired for fault in faults] == [2, 1]


async def test_whose_answer_was_lost_is_told_that_it_wrote(behind: Objects, proxy: Proxy) -> None:
    fault = proxy.order(LOST_ANSWER, "PUT .*/lock")

    assert await behind.put_new("lock", b"mine")

    assert fault.fired == 1
    assert not await behind.put_new("lock", b"theirs")


async def test_who_came_second_is_told_so_though_its_answer_was_lost(behind: Objects, proxy: Proxy) -> None:
    await behind.put_new("lock", b"theirs")
    fault = proxy.order(LOST_ANSWER, "PUT .*/lock")

    assert not await behind.put_new("lock", b"mine")

    assert fault.fired == 1


async def test_half_a_body_is_asked_for_again(behind: Objects, proxy: Proxy) -> None:
    await behind.put("long", b"z" * 100_000)
    fault = proxy.order(CUT_BODY, "GET .*/long")

    received = await behind.get("long")

    assert fault.fired == 1
    assert received is not None
    assert received.data == b"z" * 100_000


@pytest.mark.slow
async def test_parts_survive_lost_answers_and_storms(behind: Objects, proxy: Proxy, tmp_path: Path) -> None:
    data = os.urandom(1 << 20) * 17
    (tmp_path / "there").write_bytes(data)
    faults = [
        proxy.order(LOST_ANSWER, "PUT .*partNumber=2"),
        proxy.order(SLOW_DOWN, "PUT .*partNumber=1"),
        proxy.order(LOST_ANSWER, "POST .*uploadId="),
    ]

    assert await behind.put_file("large", str(tmp_path / "there"), only_new=True)

    assert [fault.fired for fault in faults] == [1, 1, 1]
    await behind.get_file("large", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == data


@pytest.mark.slow
async def test_parts_of_what_failed_are_taken_back(
    behind: Objects, proxy: Proxy, aws: str, bucket: str, tmp_path: Path
) -> None:
    (tmp_path / "there").write_bytes(b"0" * (PART_BYTES + 1))
    fault = proxy.order("denied", "PUT .*partNumber=2")

    with pytest.raises(Exception, match="not allowed"):
        await behind.put_file("large", str(tmp_path / "there"))

    assert fault.fired == 1
    assert "Uploads" not in moto.client(aws).list_multipart_uploads(Bucket=bucket)

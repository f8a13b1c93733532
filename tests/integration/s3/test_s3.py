"""Users' objects in S3: what `asyncflow.S3` and `asyncflow.aio.S3` both promise, against a server over HTTP."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import BinaryIO

import boto3  # with moto
import pytest

from asyncflow.s3.errors import (
    MetaflowS3AccessDenied,
    MetaflowS3Exception,
    MetaflowS3InvalidObject,
    MetaflowS3InvalidRange,
    MetaflowS3NotFound,
    MetaflowS3URLException,
)
from asyncflow.s3.values import S3GetObject, S3PutObject
from asyncflow.store.s3.requests import PART_BYTES
from tests.integration.s3.conftest import Opening
from tests.services import moto
from tests.services.faults import BROKEN, DENIED, SLOW_DOWN, Proxy

# Roots and keys


async def test_keys_are_below_the_root(opening: Opening, bucket: str) -> None:
    async with opening(s3root=f"s3://{bucket}/some/place/") as s3:
        url = await s3.put("a/b", "hello")
        there = await s3.get("a/b")

        assert url == f"s3://{bucket}/some/place/a/b"
        assert (there.url, there.key, there.prefix) == (url, "a/b", f"s3://{bucket}/some/place")
        assert (there.exists, there.downloaded, there.size) == (True, True, 5)
        assert (there.text, there.blob) == ("hello", b"hello")
    async with opening(bucket=bucket, prefix="some") as s3:
        assert (await s3.get("place/a/b")).text == "hello"
    async with opening() as s3:
        assert (await s3.get(url)).key == url
    async with opening(s3root=url) as s3:
        assert (await s3.get()).text == "hello"


@pytest.mark.parametrize(
    ("options", "key", "message"),
    [
        ({}, "a/b", "'a/b' is no address like s3://bucket/key"),
        ({}, None, "There is no root"),
        ({"s3root": "s3://bucket/x"}, "s3://bucket/x/a", "'s3://bucket/x/a' is no key below s3://bucket/x"),
        ({"s3root": "s3://bucket/x"}, "/a", "'/a' is no key below s3://bucket/x"),
        ({"s3root": "s3://bucket/x"}, 7, "A key is a text, and not 7"),
        ({}, "s3:///key", "'s3:///key' has no bucket that could be one: ''"),
    ],
)
async def test_what_is_no_key_is_refused(
    opening: Opening, bucket: str, options: dict[str, str], key: str, message: str
) -> None:
    async with opening(**options) as s3:
        with pytest.raises(MetaflowS3URLException) as caught:
            await s3.get(key)

    assert caught.value.message.startswith(message)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"s3root": "s3://b/x", "bucket": "other"}, "s3root is given with run, bucket or prefix"),
        ({"prefix": "x"}, "A prefix is given without a bucket"),
        ({"s3root": "http://b/x"}, "'http://b/x' is no address in a bucket"),
        ({"run": object()}, "S3(run=...) needs a place in S3 for the data of runs"),
    ],
)
async def test_what_is_no_root_is_refused(
    opening: Opening, bucket: str, options: dict[str, object], message: str
) -> None:
    with pytest.raises(MetaflowS3URLException) as caught:
        async with opening(**options):
            pass

    assert caught.value.message.startswith(message)


async def test_keys_may_have_any_character(opening: Opening, bucket: str) -> None:
    keys = ["a b+c", "ä/ö&ü=?#%41", "日本/語", "x'y\"z<>"]
    async with opening(s3root=f"s3://{bucket}/r ö") as s3:
        await s3.put_many([(key, key) for key in keys])

        assert [one.text for one in await s3.get_many(keys)] == keys
        assert sorted(one.key for one in await s3.list_recursive()) == sorted(keys)


# Getting


async def test_many_come_in_the_order_asked_for_even_twice(opening: Opening, bucket: str) -> None:
    async with opening(s3root=f"s3://{bucket}") as s3:
        await s3.put_many([(f"k{number}", str(number)) for number in range(100)])
        keys = [f"k{number}" for number in (99, 0, 50, 99, 1)]

        found = await s3.get_many(keys)

        assert [one.key for one in found] == keys
        assert [one.text for one in found] == ["99", "0", "50", "99", "1"]
        assert await s3.get_many([]) == []


async def test_what_is_missing_is_an_error_or_says_so(opening: Opening, bucket: str) -> None:
    async with opening(s3root=f"s3://{bucket}/x") as s3:
        await s3.put("there", "1")
        for ask in (s3.get, s3.info):
            with pytest.raises(MetaflowS3NotFound, match=f"There is no object s3://{bucket}/x/gone"):
                await ask("gone")
            gone = await ask("gone", return_missing=True)
            assert (gone.exists, gone.downloaded, gone.size, gone.blob, gone.text) == (
                False,
                False,
                None,
                None,
                None,
            )
            assert (gone.key, gone.url, gone.path, gone.has_info) == (
                "gone",
                f"s3://{bucket}/x/gone",
                None,
                False,
            )
        for ask in (s3.get_many, s3.info_many):
            with pytest.raises(MetaflowS3NotFound):
                await ask(["there", "gone"])
            assert [one.exists for one in await ask(["there", "gone"], return_missing=True)] == [True, False]


@pytest.mark.parametrize(
    ("offset", "length", "content", "range_info"),
    [
        (0, None, b"0123456789", (10, 0, -1)),
        (2, 3, b"234", (10, 2, 3)),
        (7, -1, b"789", (10, 7, -1)),
        (7, 100, b"789", (10, 7, 100)),
        (-4, None, b"6789", (10, 6, -1)),
        (-4, 2, b"67", (10, 6, 2)),
        (-100, None, b"0123456789", (10, 0, -1)),
    ],
)
async def test_parts_of_objects_are_got(
    opening: Opening,
    bucket: str,
    offset: int,
    length: int | None,
    content: bytes,
    range_info: tuple[int, ...],
) -> None:
    async with opening(s3root=f"s3://{bucket}") as s3:
        await s3.put("digits", b"0123456789")

        part = await s3.get(S3GetObject("digits", offset, length))

        assert part.blob == content
        assert part.size == len(content)
        assert part.range_info == range_info
        assert (await s3.get("digits")).range_info is None


async def test_a_part_behind_the_end_is_an_error(opening: Opening, bucket: str) -> None:
    async with opening(s3root=f"s3://{bucket}") as s3:
        await s3.put("digits", b"0123456789")

        with pytest.raises(MetaflowS3InvalidRange, match="has 10 bytes, and a part from byte 10 on"):
            await s3.get(S3GetObject("digits", 10, 5))
        assert (await s3.get(S3GetObject("none", 10, 5), return_missing=True)).exists is False
        await s3.put("empty", b"")
        assert (await s3.get("empty")).blob == b""


@pytest.mark.slow
async def test_large_objects_go_and_come_in_parts(opening: Opening, bucket: str, tmp_path: Path) -> None:
    data = os.urandom(1 << 20) * 33 + b"tail"
    (tmp_path / "large").write_bytes(data)
    async with opening(s3root=f"s3://{bucket}") as s3:
        stored = await s3.put_files([("file", str(tmp_path / "large"))])
        await s3.put("value", data, content_type="x/y", metadata={"a": "b"})
        await s3.put("stream", io.BytesIO(data))

        found = await s3.get_many(["file", "value", "stream", S3GetObject("file", PART_BYTES - 5, 20 << 20)])

        assert stored == [("file", f"s3://{bucket}/file")]
        assert [one.blob == data for one in found[:3]] == [True, True, True]
        assert found[3].blob == data[PART_BYTES - 5 :][: 20 << 20]
        assert (found[1].content_type, found[1].metadata) == ("x/y", {"a": "b"})


async def test_everything_below_is_got(opening: Opening, bucket: str) -> None:
    async with opening(s3root=f"s3://{bucket}/farm") as s3:
        await s3.put_many(
            [(key, key) for key in ("fruit/apple", "fruit/red/berry", "animal/cow", "fruitcake")]
        )

        fruit = await s3.get_recursive(["fruit"])
        everything = await s3.get_all()

        assert [(one.key, one.text) for one in fruit] == [
            (key, key) for key in ("fruit/apple", "fruit/red/berry")
        ]
        assert fruit[0].prefix == f"s3://{bucket}/farm/fruit"
        assert [one.key for one in everything] == [
            "animal/cow",
            "fruit/apple",
            "fruit/red/berry",
            "fruitcake",
        ]
        assert not fruit[0].has_info
        assert (await s3.get_all(return_info=True))[0].has_info
    async with opening() as s3:
        with pytest.raises(MetaflowS3URLException):
            await s3.get_all()
        (cow,) = await s3.get_recursive([f"s3://{bucket}/farm/animal"])
        assert cow.key == f"s3://{bucket}/farm/animal/cow"


# Lists and what is known


async def test_lists_of_one_level_have_prefixes(opening: Opening, bucket: str) -> None:
    async with opening(s3root=f"s3://{bucket}/farm") as s3:
        await s3.put_many(
            [(key, key) for key in ("fruit/apple", "fruit/red/berry", "animal/cow", "fruitcake")]
        )

        top = await s3.list_paths()
        below = await s3.list_paths(["fruit", "animal/"])

        assert [(one.key, one.exists, one.size) for one in top] == [
            ("animal/", False, None),
            ("fruit/", False, None),
            ("fruitcake", True, 9),
        ]
        assert [one.key for one in below] == ["fruit/apple", "fruit/red/", "animal/cow"]
        assert [one.key for one in await s3.list_paths([below[1].key])] == ["fruit/red/berry"]
        assert await s3.list_paths(["nothing"]) == []
        assert not top[2].downloaded


async def test_long_lists_are_whole(opening: Opening, bucket: str, aws: str) -> None:
    made = moto.client(aws)
    for number in range(1005):
        made.put_object(Bucket=bucket, Key=f"many/{number:04}", Body=b"")
    made.close()

    async with opening(bucket=bucket) as s3:
        assert [one.key for one in await s3.list_recursive(["many"])] == [f"many/{n:04}" for n in range(1005)]


async def test_what_is_kept_with_an_object_is_known(opening: Opening, bucket: str) -> None:
    async with opening(s3root=f"s3://{bucket}", encryption="AES256") as s3:
        await s3.put("plain", "x")
        await s3.put_many(
            [S3PutObject("rich", "xyz", content_type="text/plain", metadata={"colour": "blue"})]
        )

        rich = await s3.info("rich")
        plain = await s3.get("plain", return_info=False)

        assert (rich.size, rich.content_type, rich.metadata) == (3, "text/plain", {"colour": "blue"})
        assert (rich.encryption, rich.downloaded, rich.has_info) == ("AES256", False, True)
        assert rich.last_modified is not None
        assert rich.last_modified > 1_700_000_000
        assert (plain.has_info, plain.content_type, plain.metadata, plain.last_modified) == (
            False,
            None,
            None,
            None,
        )
        assert [one.size for one in await s3.info_many(["plain", "rich", "plain"])] == [1, 3, 1]


# Storing


async def test_texts_bytes_and_files_are_stored(opening: Opening, bucket: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in a file")
    values = {
        "text": ("ä", "ä".encode()),
        "bytes": (b"b", b"b"),
        "array": (bytearray(b"c"), b"c"),
        "view": (memoryview(b"xdx")[1:2], b"d"),
        "stream": (io.BytesIO(b"e"), b"e"),
        "texts": (io.StringIO("ö"), "ö".encode()),
        "empty": (io.BytesIO(), b""),
    }
    async with opening(s3root=f"s3://{bucket}") as s3:
        with _opened(tmp_path / "file") as file:
            await s3.put("opened", file)
        stored = await s3.put_many([(key, value) for key, (value, _) in values.items()])
        await s3.put_files(
            [("file", str(tmp_path / "file")), S3PutObject("again", path=str(tmp_path / "file"))]
        )

        assert stored == [(key, f"s3://{bucket}/{key}") for key in values]
        assert [one.blob for one in await s3.get_many(values)] == [content for _, content in values.values()]
        assert [one.text for one in await s3.get_many(["opened", "file", "again"])] == ["in a file"] * 3


def _opened(path: Path) -> BinaryIO:
    return open(path, "rb")


async def test_what_is_no_content_is_refused(opening: Opening, bucket: str) -> None:
    async with opening(s3root=f"s3://{bucket}") as s3:
        with pytest.raises(
            MetaflowS3InvalidObject, match="is of type dict, and not text, bytes or an open file"
        ):
            await s3.put("key", {})
        with pytest.raises(MetaflowS3InvalidObject):
            await s3.put_many([("fine", "x"), ("key", None)])
        with pytest.raises(MetaflowS3NotFound, match="There is no file /no/where"):
            await s3.put_files([("key", "/no/where")])
        assert await s3.list_recursive() == []


async def test_without_overwriting_what_is_there_stays(opening: Opening, bucket: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("new")
    async with opening(s3root=f"s3://{bucket}") as s3:
        await s3.put("old", "old")

        url = await s3.put("old", "new", overwrite=False)
        values = await s3.put_many([("old", "new"), ("first", "new")], overwrite=False)
        files = await s3.put_files(
            [("old", str(tmp_path / "file")), ("second", str(tmp_path / "file"))], overwrite=False
        )

        assert url == f"s3://{bucket}/old"
        assert values == [("first", f"s3://{bucket}/first")]
        assert files == [("second", f"s3://{bucket}/second")]
        assert [one.text for one in await s3.get_many(["old", "first", "second"])] == ["old", "new", "new"]
        assert await s3.put_many([("old", "newer")]) == [("old", f"s3://{bucket}/old")]
        assert (await s3.get("old")).text == "newer"


# Files


async def test_files_are_there_until_the_end_and_no_longer(
    opening: Opening, bucket: str, tmp_path: Path
) -> None:
    async with opening(s3root=f"s3://{bucket}") as s3:
        await s3.put("a", "a")
        assert os.listdir(tmp_path) == []
        there, *_ = await s3.get_many(["a", S3GetObject("a"), S3GetObject("a", 0, 1)])

        assert there.blob == b"a"
        assert there.path.startswith(f"{tmp_path}/")

    assert os.listdir(tmp_path) == []


# Who is asked, and what goes wrong


async def test_what_passes_is_tried_again(opening: Opening, bucket: str, proxy: Proxy) -> None:
    ordered = [proxy.order(BROKEN, "^PUT"), proxy.order(SLOW_DOWN, "^GET")]
    async with opening(s3root=f"s3://{bucket}") as s3:
        await s3.put("a", "a")

        assert (await s3.get("a")).text == "a"
    assert [fault.fired for fault in ordered] == [1, 1]


async def test_what_does_not_pass_is_told(
    opening: Opening, bucket: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METAFLOW_S3_RETRY_COUNT", "1")
    broken = proxy.order(BROKEN, "/broken", times=None)
    denied = proxy.order(DENIED, "/denied", times=None)
    async with opening(s3root=f"s3://{bucket}") as s3:
        with pytest.raises(MetaflowS3Exception, match="broken could not be read"):
            await s3.get("broken")
        with pytest.raises(MetaflowS3AccessDenied, match="not allowed"):
            await s3.get_many(["denied", "also/denied"])
        with pytest.raises(MetaflowS3NotFound, match="there is no bucket"):
            async with opening(s3root="s3://no-such-bucket-anywhere") as elsewhere:
                await elsewhere.list_paths()

    assert broken.fired == 2  # the first try, and one more
    assert denied.fired >= 1


async def test_a_program_may_say_how_the_server_is_reached(opening: Opening, bucket: str, aws: str) -> None:
    for options in (
        {
            "session_vars": {
                "aws_access_key_id": "a",
                "aws_secret_access_key": "b",
                "region_name": "us-east-1",
            }
        },
        {"client_params": {"endpoint_url": aws}},
    ):
        async with opening(s3root=f"s3://{bucket}", **options) as s3:
            await s3.put("a", "a")
            assert (await s3.get("a")).text == "a"
    with pytest.raises(MetaflowS3Exception, match="session_vars has 'botocore_session'"):
        async with opening(s3root=f"s3://{bucket}", session_vars={"botocore_session": 1}):
            pass


async def test_a_role_is_taken_on(
    opening: Opening, bucket: str, aws: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", aws)
    async with opening(s3root=f"s3://{bucket}", role="arn:aws:iam::123456789012:role/worker") as s3:
        await s3.put("a", "a")

        assert (await s3.get("a")).text == "a"


def test_a_client_of_boto3_may_be_used(bucket: str, aws: str, tmp_path: Path) -> None:
    import asyncflow

    client = boto3.client("s3", endpoint_url=aws)
    with asyncflow.S3(s3root=f"s3://{bucket}", tmproot=str(tmp_path), external_client=client) as s3:
        s3.put("a", "a")
    assert client.get_object(Bucket=bucket, Key="a")["Body"].read() == b"a"  # it is not closed
    client.close()

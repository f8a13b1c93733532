"""Addresses in buckets, and what the environment says about servers."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncflow.errors import StoreError
from asyncflow.store.s3 import keys
from asyncflow.store.s3.address import InvalidAddress, S3Settings, parse_url
from asyncflow.store.s3.requests import PART_BYTES, parts_after, parts_of


@pytest.mark.parametrize(
    ("url", "bucket", "prefix"),
    [
        ("s3://data/a/b", "data", "a/b"),
        ("s3://data/a/b/", "data", "a/b"),
        ("s3://data", "data", ""),
        ("s3a://data/", "data", ""),
    ],
)
def test_an_address_has_a_bucket_and_a_prefix(url: str, bucket: str, prefix: str) -> None:
    address = parse_url(url)

    assert (address.bucket, address.prefix) == (bucket, prefix)
    assert address.full_key("k") == (f"{prefix}/k" if prefix else "k")


@pytest.mark.parametrize(
    "url", ["", "data/a", "http://data/a", "s3://", "s3:///a", "s3://a", "s3://-x-/a", "s3://a b"]
)
def test_what_is_no_address_is_refused_with_how_one_is_written(url: str) -> None:
    with pytest.raises(InvalidAddress) as caught:
        parse_url(url)

    assert "s3://bucket/prefix" in caught.value.hint


def test_the_environment_says_where_the_server_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ASYNCFLOW_S3_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    assert not S3Settings.from_environment().path_style

    monkeypatch.setenv("METAFLOW_S3_ENDPOINT_URL", "http://127.0.0.1:1")
    assert S3Settings.from_environment().endpoint_url == "http://127.0.0.1:1"
    assert S3Settings.from_environment().path_style

    monkeypatch.setenv("ASYNCFLOW_S3_ENDPOINT_URL", "http://127.0.0.1:2")
    assert S3Settings.from_environment().endpoint_url == "http://127.0.0.1:2"


def test_a_missing_file_of_authorities_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "no.pem"))

    with pytest.raises(StoreError, match="certificate authorities"):
        S3Settings.from_environment()

    monkeypatch.setenv("ASYNCFLOW_S3_VERIFY_CERTIFICATE", "0")
    assert S3Settings.from_environment().verify is False


@pytest.mark.parametrize("size", [1, PART_BYTES, PART_BYTES + 1, 200 << 20, 1 << 44])
def test_parts_cover_an_object_without_gaps(size: int) -> None:
    parts = parts_of(size)

    ends = [part.offset + part.length for part in parts]
    assert [part.offset for part in parts] == [0, *ends[:-1]]
    assert ends[-1] == size
    assert len(parts) <= 10_000
    assert [part.number for part in parts] == list(range(1, len(parts) + 1))


def test_what_has_come_is_not_asked_for_again() -> None:
    size = 3 * PART_BYTES + 5

    left = parts_after(size, PART_BYTES)

    assert [(part.offset, part.length) for part in left] == [
        (PART_BYTES, PART_BYTES),
        (2 * PART_BYTES, PART_BYTES),
        (3 * PART_BYTES, 5),
    ]


def test_the_order_of_keys_is_that_of_their_numbers() -> None:
    for spell in (
        keys.id_key,
        lambda n: keys.piece_key(1, n),
        lambda n: keys.lease_key(1, n),
    ):
        spelled = [spell(number) for number in (1, 9, 10, 99, 100_000)]
        assert sorted(spelled) == spelled
        assert [keys.number_of(key) for key in spelled] == [1, 9, 10, 99, 100_000]

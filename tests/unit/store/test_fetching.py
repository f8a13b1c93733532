"""Blobs of a store in a bucket come when they are read, and the cache of them stays within its limit."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from asyncflow.errors import StoreError
from asyncflow.store import fetching
from asyncflow.store.fetching import cache_limit_bytes, fetch_blob, fetch_blobs, objects_of, trim_cache
from asyncflow.store.layout import blob_path, cached_blob_path
from asyncflow.store.local import LocalStore
from asyncflow.store.replica import make_replica
from asyncflow.store.s3.keys import blob_key

MB = 1 << 20


@pytest.fixture
def root(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("ASYNCFLOW_CACHE_DIR", str(tmp_path / "cache"))
    made = make_replica(f"s3://{bucket}/place")
    yield made
    objects = fetching._Process.objects.pop(made, None)
    if objects is not None:
        objects.close()


def kept(root: str, count: int = 1, size: int = MB) -> list[str]:
    """Put blobs into the bucket that are not here; return their digests."""
    store, digests = LocalStore(root), []
    objects = objects_of(root)
    assert objects is not None
    for _ in range(count):
        digest = store.put_blob([os.urandom(size)])
        objects.put_file(blob_key(digest), blob_path(root, digest))
        os.unlink(blob_path(root, digest))
        digests.append(digest)
    return digests


def cached(root: str, digests: list[str]) -> list[bool]:
    return [os.path.exists(cached_blob_path(root, digest)) for digest in digests]


def test_a_blob_is_fetched_when_it_is_read_and_then_here(root: str) -> None:
    (digest,) = kept(root)

    first = LocalStore(root).get_blob(digest)
    objects = objects_of(root)
    assert objects is not None
    objects.delete([blob_key(digest)])
    second = LocalStore(root).get_blob(digest)

    assert first == second
    assert cached(root, [digest]) == [True]


def test_a_blob_that_is_nowhere_is_missing(root: str) -> None:
    with pytest.raises(StoreError, match="missing"):
        LocalStore(root).get_blob("ab" * 20)
    assert fetch_blob(root, "ab" * 20) is None
    assert os.listdir(f"{root}/tmp") == []


def test_a_blob_that_was_changed_in_the_bucket_is_noticed(root: str) -> None:
    (digest,) = kept(root)
    objects = objects_of(root)
    assert objects is not None
    received = objects.get(blob_key(digest))
    assert received is not None
    objects.put(
        blob_key(digest),
        received.data[:-1] + b"x" if received.data[-1:] != b"x" else received.data[:-1] + b"y",
    )

    with pytest.raises(StoreError, match="digest"):
        LocalStore(root).get_blob(digest)


def test_several_are_fetched_together_and_what_is_missing_left_out(root: str) -> None:
    digests = kept(root, 5, 1000)

    fetch_blobs(root, iter([*digests, "ab" * 20, digests[0]]))

    assert cached(root, digests) == [True] * 5


def test_a_store_in_a_directory_fetches_nothing(tmp_path: Path) -> None:
    assert objects_of(str(tmp_path)) is None
    assert fetch_blob(str(tmp_path), "ab" * 20) is None


def test_those_that_were_not_used_for_longest_go_first(root: str) -> None:
    digests = kept(root, 5)
    fetch_blobs(root, iter(digests))
    for age, digest in enumerate(digests):
        os.utime(cached_blob_path(root, digest), (1_000_000 + age, 1_000_000 + age))

    unchanged = trim_cache(root, 6 * MB)
    removed = trim_cache(root, 4 * MB)

    assert unchanged == 0
    assert 2 * MB <= removed < 3 * MB
    assert cached(root, digests) == [False, False, True, True, True]


def test_a_blob_larger_than_the_limit_is_read_all_the_same(
    root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASYNCFLOW_CACHE_LIMIT_MB", "0.5")
    digests = kept(root, 3)

    for digest in digests:
        assert len(LocalStore(root).get_blob(digest)) == MB

    assert cached(root, digests) == [False, False, True]


def test_what_is_read_goes_on_though_it_is_trimmed_away(root: str) -> None:
    (digest,) = kept(root)
    view = LocalStore(root).get_blob(digest)

    trim_cache(root, 0)

    assert cached(root, [digest]) == [False]
    assert len(bytes(view)) == MB


def test_the_limit_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASYNCFLOW_CACHE_LIMIT_MB", "1.5")
    assert cache_limit_bytes() == 3 * MB // 2
    monkeypatch.setenv("ASYNCFLOW_CACHE_LIMIT_MB", "much")
    with pytest.raises(StoreError, match="much is no number"):
        cache_limit_bytes()

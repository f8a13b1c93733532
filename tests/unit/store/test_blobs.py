"""Files named by their content, and what goes wrong with them."""

from __future__ import annotations

import errno
import multiprocessing
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from asyncflow.errors import StoreError
from asyncflow.store import blobs
from asyncflow.store.local import LocalStore
from asyncflow.store.manifest import ArtifactRecord, Manifest
from tests.unit.store.files import blob_files, temporary_files

RANDOM = np.random.default_rng(11)


def stored(store: LocalStore, value: object) -> tuple[ArtifactRecord, Path]:
    record = store.dump(value, name="model")
    return record, Path(store.root, "blobs", record.digest[:2], record.digest[2:])


@contextmanager
def file_size_limit(size_bytes: int) -> Iterator[None]:
    """No file may grow beyond that size: what a full disk looks like to a writer."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, old)


def test_a_blob_has_the_digest_of_its_pieces_however_they_are_cut(store: LocalStore) -> None:
    whole = store.put_blob([b"abcdef" * 1000])
    assert store.put_blob([b"abc", memoryview(b"def" + b"abcdef" * 999)]) == whole
    assert bytes(store.get_blob(whole)) == b"abcdef" * 1000
    assert list(store.digests()) == [whole]


def test_no_temporary_file_is_left(store: LocalStore) -> None:
    store.dump(RANDOM.random(100_000))
    store.dump(RANDOM.random(100_000))
    assert temporary_files(store) == []
    assert len(blob_files(store)) == 2


@pytest.mark.parametrize("length", [10_000, 500_000], ids=["read", "mapped"])
def test_a_deleted_blob_is_an_error_that_names_artifact_digest_and_path(
    store: LocalStore, length: int
) -> None:
    record, path = stored(store, RANDOM.random(length))
    path.unlink()
    with pytest.raises(StoreError, match=f"`model`.*{record.digest}.*missing") as caught:
        store.load(record, name="model")
    assert caught.value.where == str(path)
    assert "asyncflow resume" in caught.value.hint


@pytest.mark.parametrize("length", [10_000, 500_000], ids=["read", "mapped"])
@pytest.mark.parametrize("keep", [0, 10, 64, 5000])
def test_a_cut_off_blob_is_an_error_that_says_so(store: LocalStore, length: int, keep: int) -> None:
    record, path = stored(store, RANDOM.random(length))
    os.truncate(path, keep)
    with pytest.raises(StoreError, match=f"`model`.*{record.digest}.*damaged") as caught:
        store.load(record, name="model")
    assert caught.value.where == str(path)


@pytest.mark.parametrize("value", [RANDOM.random(10_000), "some words " * 100_000, np.zeros(3_000_000)])
def test_a_changed_byte_in_a_small_or_compressed_blob_is_noticed_when_it_is_read(
    store: LocalStore, value: object
) -> None:
    record = store.dump(value, name="model", inline_bytes=0)
    path = blob_files(store)[0]
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    with pytest.raises(StoreError, match="damaged"):
        store.load(record, name="model")


def test_a_changed_byte_in_a_large_mapped_blob_is_noticed_by_the_check_and_by_reading(
    store: LocalStore,
) -> None:
    record, path = stored(store, RANDOM.random(500_000))
    store.verify_blob(record.digest)
    data = bytearray(path.read_bytes())
    data[2_000_000] ^= 1
    path.write_bytes(data)
    with pytest.raises(StoreError, match="digest") as caught:
        store.verify_blob(record.digest)
    assert caught.value.where == str(path)
    with pytest.raises(StoreError, match=r"`model`.*digest"):
        store.load(record, name="model")


def test_a_cut_off_blob_is_written_again_when_its_content_is_stored_again(store: LocalStore) -> None:
    value = RANDOM.random(10_000)
    record, path = stored(store, value)
    os.truncate(path, 100)
    assert np.array_equal(store.load(store.dump(value)), value)
    store.verify_blob(record.digest)


def test_a_digest_that_is_no_digest_never_becomes_a_path(store: LocalStore) -> None:
    outside = Path(store.root).parent / "secret"
    outside.write_bytes(b"x")
    for digest in ("../../secret", "..", "", "ab/../../../secret", "Z" * 40):
        assert not store.has_blob(digest)
        with pytest.raises(StoreError, match="not a digest"):
            store.get_blob(digest)


@pytest.mark.parametrize("value", [RANDOM.random(1_000_000), np.zeros(40_000_000)], ids=["raw", "compressed"])
def test_a_full_disk_is_an_error_that_says_what_is_lost_and_leaves_nothing(
    store: LocalStore, value: object
) -> None:
    with (
        file_size_limit(1_000),
        pytest.raises(StoreError, match=r"`model` could not be written.*lost") as caught,
    ):
        store.dump(value, name="model")
    assert str(caught.value.where).startswith(store.root)
    assert "space" in caught.value.hint
    assert temporary_files(store) == []
    assert blob_files(store) == []


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "permission"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_each_refusal_of_the_system_has_its_words(number: int, words: str) -> None:
    from asyncflow.store.failures import write_failure

    error = write_failure(OSError(number, os.strerror(number)), "/store/blobs/ab/cd", "Artifact `x`")
    assert words in error.message
    assert error.where == "/store/blobs/ab/cd"
    assert error.hint


def test_a_store_that_cannot_be_written_is_an_error_that_names_the_path(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "tmp").write_text("a file where a directory should be")
    store = LocalStore(str(tmp_path / "store"))
    with pytest.raises(StoreError, match="`x` could not be written"):
        store.dump(RANDOM.random(10_000), name="x")
    (tmp_path / "store" / "runs").write_text("another one")
    with pytest.raises(StoreError, match="result of attempt 0 of start"):
        store.write_manifest(Manifest(flow="F", run=1, step="start", task=1, attempt=0, is_ok=True))


def test_a_blob_that_cannot_be_opened_is_an_error_that_says_why(store: LocalStore) -> None:
    record, path = stored(store, RANDOM.random(10_000))
    path.unlink()
    path.mkdir()
    with pytest.raises(StoreError, match=r"damaged|could not be read"):
        store.load(record, name="model")


def _write_many(root: str, seed: int) -> None:
    store = LocalStore(root)
    for number in range(60):
        content = bytes([number % 20]) * 70_000 + os.urandom(0)
        store.put_blob([content, bytes(range(256)) * 40])


@pytest.mark.slow
def test_writers_of_the_same_contents_at_the_same_time_do_not_disturb_each_other(store: LocalStore) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write_many, args=(store.root, seed)) for seed in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(30)
        assert writer.exitcode == 0
    digests = list(store.digests())
    assert len(digests) == 20
    for digest in digests:
        store.verify_blob(digest)
    assert temporary_files(store) == []


def test_a_reader_never_sees_a_half_written_blob(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a writer that stops just before it names its file
    seen: list[bool] = []

    def stop(temporary_path: str, path: str) -> None:
        seen.append(Path(path).exists())
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(blobs, "publish", stop)
    with pytest.raises(StoreError):
        store.dump(RANDOM.random(10_000))
    assert seen == [False]
    assert blob_files(store) == []
    assert temporary_files(store) == []

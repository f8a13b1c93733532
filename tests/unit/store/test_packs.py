"""Packs: many writers, and writers that die in mid-write."""

from __future__ import annotations

import errno
import os
import resource
import signal
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncflow.store.packs import Pack, append, sealed


def body(content: bytes) -> bytes:
    """Bytes with a manifest's head."""
    return b"AFM1" + zlib.crc32(content).to_bytes(4, "little") + content


def read_all(pack: Pack, keys: list[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
    """What a pack has of some attempts, whole ones only."""
    found: dict[tuple[int, int], bytes] = {}
    for key in keys:
        entry = pack.find(*key)
        if entry is not None and entry.is_whole:
            data = pack.read(*key)
            assert data is not None
            found[key] = data
    return found


KEYS = [(task, attempt) for task in range(3) for attempt in range(2)]
CONTENTS = st.one_of(st.binary(max_size=40), st.just(sealed(1, 0, body(b"looks like a record"))))
ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from(KEYS), CONTENTS),
        st.tuples(st.just("tear"), st.sampled_from(KEYS), st.floats(0, 1, exclude_max=True)),
        st.tuples(st.just("take back"), st.sampled_from(KEYS), st.none()),
        st.tuples(st.just("zeros"), st.just((0, 0)), st.integers(0, 60)),
        st.tuples(st.just("look"), st.just((0, 0)), st.none()),
    ),
    max_size=12,
)


@given(acts=ACTS)
def test_whole_records_are_read_and_torn_ones_are_not_whatever_came_before(
    tmp_path_factory: pytest.TempPathFactory, acts: list[tuple[str, tuple[int, int], object]]
) -> None:
    path = str(tmp_path_factory.mktemp("pack") / "0.manifests")
    follower, expected = Pack(path), dict[tuple[int, int], bytes]()
    for what, key, value in acts:
        if what == "write":
            assert isinstance(value, bytes)
            append(path, sealed(*key, body(value)))
            expected[key] = body(value)
        elif what == "tear":
            assert isinstance(value, float)
            torn = sealed(*key, body(b"lost " * 5))
            append(path, torn[: int(value * len(torn))])
        elif what == "take back":
            append(path, sealed(*key, b""))
            expected.pop(key, None)
        elif what == "zeros":
            assert isinstance(value, int)
            append(path, bytes(value))
        else:
            assert read_all(follower, KEYS) == expected
    assert read_all(follower, KEYS) == expected
    assert read_all(Pack(path), KEYS) == expected


def test_a_record_that_is_being_written_counts_when_it_is_whole(tmp_path: Path) -> None:
    path = str(tmp_path / "0.manifests")
    pack, record = Pack(path), sealed(1, 0, body(b"one"))
    for end in range(len(record)):
        Path(path).write_bytes(record[:end])
        assert pack.find(1, 0) is None
    Path(path).write_bytes(record)
    assert pack.read(1, 0) == body(b"one")


def test_records_behind_a_torn_one_that_promised_more_count_at_once(tmp_path: Path) -> None:
    path = str(tmp_path / "0.manifests")
    append(path, sealed(1, 0, body(bytes(100_000)))[:500])
    append(path, sealed(2, 0, body(b"two")))
    pack = Pack(path)
    assert pack.read(2, 0) == body(b"two")
    append(path, sealed(3, 0, body(b"three")))
    assert pack.read(3, 0) == body(b"three")
    assert pack.find(1, 0) is None


def test_records_larger_than_a_piece_that_is_read_at_once_are_read(tmp_path: Path) -> None:
    path = str(tmp_path / "0.manifests")
    for task, size in enumerate((9 << 20, 10, 5 << 20, 3 << 20, 10)):
        append(path, sealed(task, 0, body(bytes([task]) * size)))
    pack = Pack(path)
    assert [len(pack.read(task, 0) or b"") - 8 for task in range(5)] == [9 << 20, 10, 5 << 20, 3 << 20, 10]


def test_another_file_of_the_same_name_is_read_anew(tmp_path: Path) -> None:
    path = str(tmp_path / "0.manifests")
    append(path, sealed(1, 0, body(b"old")) + sealed(2, 0, body(b"old")))
    pack = Pack(path)
    assert pack.read(1, 0) == body(b"old")
    os.unlink(path)
    assert pack.read(1, 0) is None
    append(path, sealed(1, 0, body(b"new")))
    assert (pack.read(1, 0), pack.read(2, 0)) == (body(b"new"), None)


def test_many_processes_append_at_once_and_nothing_is_lost(tmp_path: Path) -> None:
    # Given eight processes that append fifty records each, of very different lengths
    path = str(tmp_path / "0.manifests")
    children: list[int] = []
    for task in range(8):
        pid = os.fork()
        if pid == 0:
            for attempt in range(50):
                append(path, sealed(task, attempt, body(bytes([task]) * (attempt * 97))))
            os._exit(0)
        children.append(pid)
    # When somebody reads meanwhile, Then he sees whole records only
    pack = Pack(path)
    while children:
        for task in range(8):
            entry = pack.find(task, 49)
            assert entry is None or entry.is_whole
        children = [pid for pid in children if os.waitpid(pid, os.WNOHANG)[0] == 0]
    # And in the end all are there
    for reader in (pack, Pack(path)):
        for task in range(8):
            for attempt in range(50):
                assert reader.read(task, attempt) == body(bytes([task]) * (attempt * 97))


def test_a_write_that_is_cut_short_is_an_error_and_leaves_nothing_to_be_read(tmp_path: Path) -> None:
    # Given a limit on the size of files, in the middle of a record
    path = str(tmp_path / "0.manifests")
    append(path, sealed(1, 0, body(b"one")))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (os.path.getsize(path) + 50, hard))
    try:
        with pytest.raises(OSError) as caught:
            append(path, sealed(2, 0, body(bytes(1000))))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert caught.value.errno in (errno.EFBIG, errno.ENOSPC)
    # Then it is not there, and what is written later is
    assert Pack(path).find(2, 0) is None
    append(path, sealed(3, 0, body(b"three")))
    pack = Pack(path)
    assert (pack.read(1, 0), pack.read(3, 0)) == (body(b"one"), body(b"three"))

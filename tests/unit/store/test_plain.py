"""What stands in for compiled packages in a container of another Python gives the same bytes."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import blake3
import pytest
import zstandard

from asyncflow.errors import StoreError
from asyncflow.store import compression, plain_blake3, plain_zstd

_BATCH = 512 * 1024
_SIZES = (
    0,
    1,
    63,
    64,
    65,
    1023,
    1024,
    1025,
    2048,
    3072,
    5000,
    100_000,
    _BATCH - 1,
    _BATCH,
    _BATCH + 1,
    3 * _BATCH + 5,
)


@pytest.mark.parametrize("size", _SIZES)
def test_blake3_in_python_is_blake3(size: int) -> None:
    data = random.Random(size).randbytes(size)

    plain = plain_blake3.blake3()
    for at in range(0, size, 70_001):
        plain.update(data[at : at + 70_001])

    assert plain.hexdigest() == blake3.blake3(data).hexdigest()
    assert plain.digest(20) == blake3.blake3(data).digest(20)
    assert plain_blake3.blake3(data).digest(64) == blake3.blake3(data).digest(64)


def test_blake3_in_python_goes_on_after_a_digest() -> None:
    plain, compiled = plain_blake3.blake3(b"a"), blake3.blake3(b"a")
    assert plain.hexdigest() == compiled.hexdigest()

    assert plain.update(b"b" * 2000).hexdigest() == compiled.update(b"b" * 2000).hexdigest()


@pytest.fixture(params=["system's library", "nothing at all"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if request.param == "nothing at all":
        monkeypatch.setattr(plain_zstd, "_NAMES", ())
    plain_zstd._library.cache_clear()
    yield str(request.param)
    plain_zstd._library.cache_clear()


@pytest.mark.parametrize("size", [0, 1, 1000, 300_000])
def test_frames_written_plainly_are_read_by_zstd(library: str, size: int) -> None:
    data = b"ab" * (size // 2) + os.urandom(size // 2)

    frame = plain_zstd.compressed([data[:5], data[5:]], level=1)

    assert zstandard.ZstdDecompressor().decompress(frame, max_output_size=len(data)) == data
    back = bytearray(len(data))
    assert plain_zstd.decompress_into(frame, memoryview(back)) == len(data)
    assert back == data


def test_zstds_frames_are_read_with_the_systems_library_and_refused_without(library: str) -> None:
    frame = compression.compressed([b"abc" * 100_000])
    back = bytearray(300_000)
    if library == "nothing at all":
        with pytest.raises(StoreError, match="compressed with zstd") as caught:
            plain_zstd.decompress_into(frame, memoryview(back))
        assert "zstd" in caught.value.hint
        return

    assert plain_zstd.decompress_into(frame, memoryview(back)) == 300_000
    assert back == b"abc" * 100_000


def test_a_damaged_frame_is_no_content(library: str) -> None:
    frame = bytearray(plain_zstd.compressed([b"hello" * 1000], level=1))

    with pytest.raises(ValueError):
        plain_zstd.decompress_into(frame[:-7], memoryview(bytearray(5000)))
    with pytest.raises(ValueError):
        plain_zstd.decompress_into(frame, memoryview(bytearray(4000)))
    with pytest.raises(ValueError):
        plain_zstd.decompress_into(b"no frame at all", memoryview(bytearray(4000)))

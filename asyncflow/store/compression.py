"""Whether zstd pays for a content, and the compressed stream when it does.

Measured on two cores (zstandard 0.25, level 1; level 3 gains under 3 % and costs up to twice the time):

    content                        keeps   compress    decompress
    zeros, repeated text           0.00    10 GB/s     17 GB/s
    arange, small ints as int64    0.13    0.5 GB/s    1.0 GB/s
    prices rounded to 2 digits     0.39    0.4 GB/s    1.4 GB/s
    random or real-valued floats   0.96    1.0 GB/s    1.5 GB/s

A raw content can be mapped: it is read at page speed and copied never. So:
- up to 4 KiB nothing is compressed: it is inlined in the manifest anyway (a fresh context costs 14 us);
- up to 32 MiB a content is compressed when a probe keeps at most three quarters of it;
- above, only when the probe keeps at most 1/16: there zstd is faster than the disk, elsewhere it would be the
  slowest part of a step by far.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, Any

from asyncflow.store.digests import Buffer

__all__ = [
    "compress_to",
    "compressed",
    "decompress_into",
    "decompressed",
    "is_worth_compressing",
    "load",
    "pays",
]

_LEVEL = 1
_NEVER_UP_TO = 4096
_BIG_FROM = 32 << 20
_MOST_KEPT = 0.75
_MOST_KEPT_OF_BIG = 1 / 16
_SAMPLES = 8
_SAMPLE_BYTES = 16 << 10
_CHUNK_BYTES = 4 << 20


def load() -> None:
    """Import what compresses, in a process that is going to use it."""
    _zstandard()


def is_worth_compressing(buffers: Sequence[Buffer], size_bytes: int) -> bool:
    """Probe eight samples spread over the content and say whether zstd pays for all of it."""
    if size_bytes <= _NEVER_UP_TO:
        return False
    sample = _sample(buffers, size_bytes)
    kept = len(compressed([sample])) / len(sample)
    return pays(int(kept * size_bytes), size_bytes)


def pays(kept_bytes: int, size_bytes: int) -> bool:
    """Say whether keeping that many bytes of a content is worth the time of compressing it."""
    return kept_bytes <= size_bytes * (_MOST_KEPT_OF_BIG if size_bytes >= _BIG_FROM else _MOST_KEPT)


def compressed(buffers: Sequence[Buffer]) -> bytes:
    """Return a small content as one zstd frame with a checksum."""
    zstandard = _zstandard()
    if zstandard is None:
        from asyncflow.store import plain_zstd  # ctypes, for few

        return plain_zstd.compressed(buffers, level=_LEVEL)
    return zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(b"".join(buffers))


def compress_to(file: IO[bytes], buffers: Sequence[Buffer], size_bytes: int) -> None:
    """Write the content to `file` as one zstd frame, 4 MiB at a time. Raises OSError as the file does."""
    zstandard = _zstandard()
    if zstandard is None:
        from asyncflow.store import plain_zstd

        file.write(plain_zstd.compressed(buffers, level=_LEVEL))
        return
    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
    with compressor.stream_writer(file, size=size_bytes, closefd=False) as stream:
        for buffer in buffers:
            view = memoryview(buffer)
            for start in range(0, len(view), _CHUNK_BYTES):
                stream.write(view[start : start + _CHUNK_BYTES])


def decompressed(frame: Buffer, size_bytes: int) -> bytes:
    """Return the content of a frame. Raises ValueError if it is damaged."""
    zstandard = _zstandard()
    if zstandard is None:
        return _plainly_decompressed(frame, size_bytes)
    try:
        content = zstandard.ZstdDecompressor().decompress(frame, max_output_size=size_bytes)
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from error
    if len(content) != size_bytes:
        raise ValueError(f"{len(content)} bytes instead of {size_bytes}")
    return content


def decompress_into(file: IO[bytes], target: memoryview) -> None:
    """Fill `target` with the content of the frame that `file` stands at. Raises ValueError if it is damaged."""
    zstandard = _zstandard()
    if zstandard is None:
        _fill_plainly(file.read(), target)
        return
    filled = 0
    try:
        with zstandard.ZstdDecompressor().stream_reader(file, closefd=False) as stream:
            while filled < len(target):
                count: int = stream.readinto(target[filled:])
                if not count:
                    break
                filled += count
            # One more read makes zstd look at the frame's end, where its checksum is.
            surplus = stream.read(1)
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from error
    if filled != len(target) or surplus:
        raise ValueError(f"{filled + len(surplus)} bytes instead of {len(target)}")


def _zstandard() -> Any:  # Any: a module, or None
    """Return the package, imported now, which saves 3 to 16 ms in a process that only handles small artifacts.

    None: it is not there, as in a container of another Python than the scheduler's.
    """
    try:
        import zstandard
    except ImportError:
        return None
    return zstandard


def _plainly_decompressed(frame: Buffer, size_bytes: int) -> bytes:
    content = bytearray(size_bytes)
    _fill_plainly(frame, memoryview(content))
    return bytes(content)


def _fill_plainly(frame: Buffer, target: memoryview) -> None:
    from asyncflow.store import plain_zstd

    filled = plain_zstd.decompress_into(frame, target)
    if filled != len(target):
        raise ValueError(f"{filled} bytes instead of {len(target)}")


def _sample(buffers: Sequence[Buffer], size_bytes: int) -> bytes:
    """Return up to eight pieces of 16 KiB, evenly spread over the concatenated buffers."""
    if size_bytes <= _SAMPLES * _SAMPLE_BYTES:
        return b"".join(buffers)
    step = size_bytes // _SAMPLES
    pieces: list[bytes] = []
    offset, wanted = 0, 0
    for buffer in buffers:
        view = memoryview(buffer)
        while wanted < offset + len(view):
            start = max(0, wanted - offset)
            pieces.append(bytes(view[start : start + _SAMPLE_BYTES]))
            wanted += step
        offset += len(view)
    return b"".join(pieces)

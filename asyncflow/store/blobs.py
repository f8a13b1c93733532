"""Content-addressed files: written once, shared by everybody, never changed.

A blob file is a header of 64 bytes, then the content, raw or as one zstd frame:

    8 bytes  magic `asyncfl1`
    1 byte   kind: 0 raw, 1 zstd
    7 bytes  zero
    8 bytes  length of the content, uncompressed, little-endian
    8 bytes  length of the stored bytes that follow the header
    32 bytes zero

64 bytes, so that buffers aligned within the content are aligned in memory when the file is mapped.
"""

from __future__ import annotations

import io
import mmap
import os
import struct
from collections.abc import Sequence

from asyncflow.store import compression
from asyncflow.store.content import KIND_RAW, KIND_ZSTD
from asyncflow.store.digests import Buffer, digest_of, is_digest
from asyncflow.store.failures import damaged, missing, read_failure, write_failure
from asyncflow.store.files import publish, temporary, unlink_quietly, write_all
from asyncflow.store.layout import blob_path, cached_blob_path, remote_path
from asyncflow.store.reuse import touch_blob

__all__ = [
    "HEADER_BYTES",
    "BlobContent",
    "has_blob",
    "header",
    "open_blob",
    "read_header",
    "verify_blob",
    "write_blob",
]

HEADER_BYTES = 64
_HEADER = struct.Struct("<8sB7xQQ32x")
_MAGIC = b"asyncfl1"
_MOST_FETCHES = 3
_MAP_FROM = 1 << 20
"""Raw contents from this size on are mapped, so that processes share their pages. Below, one read is as fast."""


def header(kind: int, size_bytes: int, stored_bytes: int) -> bytes:
    """Return the first 64 bytes of a blob file."""
    return _HEADER.pack(_MAGIC, kind, size_bytes, stored_bytes)


def write_blob(
    root: str,
    digest: str,
    buffers: Sequence[Buffer],
    size_bytes: int,
    *,
    what: str,
    frame: bytes | None = None,
) -> None:
    """Store a content under its digest, unless it is there already. Raises StoreError.

    `frame` is the content as a zstd frame where the caller has it already; it is used if it pays.
    Several processes may write the same digest at once: each renames a whole file, and all are the same.
    """
    path = blob_path(root, digest)
    try:
        if _is_intact(path, size_bytes) and touch_blob(root, path):
            return
        if _is_intact(cached_blob_path(root, digest), size_bytes):
            return  # it is in the bucket
        fd, temporary_path = temporary(root)
    except OSError as error:
        raise write_failure(error, path, what) from error
    try:
        try:
            _write_content(fd, buffers, size_bytes, frame)
        finally:
            os.close(fd)
        publish(temporary_path, path)
    except OSError as error:
        unlink_quietly(temporary_path)
        raise write_failure(error, path, what) from error
    except BaseException:
        unlink_quietly(temporary_path)
        raise


def _write_content(fd: int, buffers: Sequence[Buffer], size_bytes: int, frame: bytes | None) -> None:
    if frame is not None and compression.pays(len(frame), size_bytes):
        write_all(fd, [header(KIND_ZSTD, size_bytes, len(frame)), frame])
        return
    if frame is not None or not compression.is_worth_compressing(buffers, size_bytes):
        write_all(fd, [header(KIND_RAW, size_bytes, size_bytes), *buffers])
        return
    with io.FileIO(fd, "r+b", closefd=False) as raw, io.BufferedRandom(raw, 1 << 18) as file:
        file.write(header(KIND_ZSTD, size_bytes, 0))
        compression.compress_to(file, buffers, size_bytes)
        end = file.tell()
        file.seek(0)
        file.write(header(KIND_ZSTD, size_bytes, end - HEADER_BYTES))


def _is_intact(path: str, size_bytes: int) -> bool:
    """Say whether the blob is there with the sizes it should have; a cut-off one is written again."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        head = os.pread(fd, HEADER_BYTES, 0)
        if len(head) != HEADER_BYTES:
            return False
        magic, _, size, stored = _HEADER.unpack(head)
        return magic == _MAGIC and size == size_bytes and os.fstat(fd).st_size == HEADER_BYTES + stored
    finally:
        os.close(fd)


def has_blob(root: str, digest: str) -> bool:
    """Say whether the store has a file for that digest."""
    return is_digest(digest) and os.path.exists(blob_path(root, digest))


def open_blob(root: str, digest: str, what: str) -> int:
    """Return a descriptor of the blob's file. Raises StoreError if it is missing or cannot be opened."""
    if not is_digest(digest):
        raise damaged(root, what, f"{digest[:80]!r} is not a digest")
    path = blob_path(root, digest)
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        try:
            fd = _open_elsewhere(root, digest)
        except OSError as problem:
            raise read_failure(problem, cached_blob_path(root, digest), what) from problem
        if fd is None:
            raise missing(path, what) from error
        return fd
    except OSError as error:
        raise read_failure(error, path, what) from error


def _open_elsewhere(root: str, digest: str) -> int | None:
    """Open a blob of a store in a bucket: in its cache here, fetched if need be. None: it is not there either.

    Raises OSError. Another process may find the cache too large and remove what was fetched before it is opened.
    """
    if not os.path.exists(remote_path(root)):
        return None
    path = cached_blob_path(root, digest)
    for _ in range(_MOST_FETCHES):
        try:
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            from asyncflow.store.fetching import fetch_blob  # botocore: for those who have a bucket

            if fetch_blob(root, digest) is None:
                return None
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def read_header(fd: int, path: str, what: str) -> tuple[int, int]:
    """Return kind and content length of an open blob. Raises StoreError if its size is not what it says."""
    try:
        head = os.pread(fd, HEADER_BYTES, 0)
        on_disk = os.fstat(fd).st_size
    except OSError as error:
        raise read_failure(error, path, what) from error
    if len(head) != HEADER_BYTES or head[:8] != _MAGIC:
        raise damaged(path, what, "it does not begin as a blob of asyncflow does")
    _, kind, size_bytes, stored_bytes = _HEADER.unpack(head)
    if on_disk != HEADER_BYTES + stored_bytes or kind not in (KIND_RAW, KIND_ZSTD):
        raise damaged(path, what, f"it has {on_disk} bytes instead of {HEADER_BYTES + stored_bytes}")
    return kind, size_bytes


class BlobContent:
    """The content of one blob. Opens the file when asked for bytes, and only then.

    Args:
        root: The store's directory.
        digest: Which blob.
        size_bytes: How long its content must be. None: whatever the file says.
        what: Name of the thing for error messages, such as "Artifact `model`".
    """

    __slots__ = ("_digest", "_path", "_root", "_size", "_what")

    def __init__(self, root: str, digest: str, size_bytes: int | None, what: str) -> None:
        self._root = root
        self._digest = digest
        self._size = size_bytes
        self._what = f"{what} (blob {digest})"
        self._path = blob_path(root, digest)

    @property
    def size_bytes(self) -> int:
        """Length of the content, uncompressed."""
        if self._size is None:
            fd = open_blob(self._root, self._digest, self._what)
            try:
                self._size = read_header(fd, self._path, self._what)[1]
            finally:
                os.close(fd)
        return self._size

    def view(self) -> memoryview:
        """Return the content as private writable memory: a copy-on-write map of a large raw file, else a copy.

        Raises StoreError naming artifact, digest and path.
        """
        fd, kind, size = self._open()
        try:
            if kind == KIND_RAW and size >= _MAP_FROM:
                mapped = mmap.mmap(fd, HEADER_BYTES + size, access=mmap.ACCESS_COPY)
                view = memoryview(mapped)[HEADER_BYTES:]
                self._check(view)
                return view
            # Anonymous pages: aligned for arrays, and not zeroed before they are filled.
            target = memoryview(mmap.mmap(-1, size) if size >= _MAP_FROM else bytearray(size))
            self._fill(fd, kind, target)
        except OSError as error:
            raise read_failure(error, self._path, self._what) from error
        finally:
            os.close(fd)
        self._check(target)
        return target

    def read(self) -> bytes:
        """Return the content as bytes. Raises StoreError naming artifact, digest and path."""
        fd, kind, size = self._open()
        try:
            with io.FileIO(fd, "rb", closefd=False) as file:
                file.seek(HEADER_BYTES)
                content = file.read()
            if kind == KIND_ZSTD:
                content = compression.decompressed(content, size)
        except OSError as error:
            raise read_failure(error, self._path, self._what) from error
        except ValueError as error:
            raise damaged(self._path, self._what, str(error)) from error
        finally:
            os.close(fd)
        self._check(content)
        return content

    def verify(self) -> None:
        """Read all of it and compare with the digest. Raises StoreError."""
        self.view()

    def _open(self) -> tuple[int, int, int]:
        fd = open_blob(self._root, self._digest, self._what)
        try:
            kind, size = read_header(fd, self._path, self._what)
            if self._size is not None and size != self._size:
                raise damaged(self._path, self._what, f"its content is {size} bytes instead of {self._size}")
        except BaseException:
            os.close(fd)
            raise
        return fd, kind, size

    def _fill(self, fd: int, kind: int, target: memoryview) -> None:
        with io.FileIO(fd, "rb", closefd=False) as file:
            file.seek(HEADER_BYTES)
            if kind == KIND_ZSTD:
                try:
                    compression.decompress_into(file, target)
                except ValueError as error:
                    raise damaged(self._path, self._what, str(error)) from error
                return
            if file.readinto(target) != len(target):
                raise damaged(self._path, self._what, "it is shorter than its header says")

    def _check(self, content: Buffer) -> None:
        # A flipped bit is an error and never a wrong result, at 0.08 s for 512 MB (two threads, pages in the cache).
        if digest_of([content], len(content)) != self._digest:
            raise damaged(self._path, self._what, "its bytes do not have the digest it is named by")


def verify_blob(root: str, digest: str) -> None:
    """Read a whole blob and compare it with its digest, for `asyncflow doctor`. Raises StoreError."""
    BlobContent(root, digest, None, "Content").verify()

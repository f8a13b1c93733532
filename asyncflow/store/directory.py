"""Objects in a directory: what a bucket is for workers on other machines that see the scheduler's files.

Blocks; `Objects` over it, for an event loop, is `InThreads`. A key is a path below the directory. Objects appear whole:
they are written under another name and renamed, or linked where only a new one may appear.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import anyio.to_thread

from asyncflow.errors import StoreError
from asyncflow.store.failures import read_failure, write_failure
from asyncflow.store.objects import NO_METADATA, ObjectInfo, Received

if TYPE_CHECKING:
    from asyncflow.store.s3.blocking import BlockingObjects

__all__ = ["DirectoryObjects", "InThreads"]

_R = TypeVar("_R")
_WRITING = ".writing-"
_NOT_THERE = (FileNotFoundError, IsADirectoryError, NotADirectoryError)


class DirectoryObjects:
    """The objects below a directory; each method does what the one of `Objects` does, and blocks."""

    def __init__(self, root: str) -> None:
        self._root = os.path.abspath(root)

    @property
    def url(self) -> str:
        """`file:///path`."""
        return f"file://{self._root}"

    def get(self, key: str, *, offset: int = 0, length: int | None = None) -> Received | None:
        """Return an object or a part of it; None if there is no such object. Raises StoreError."""
        path = self._path(key)
        try:
            with open(path, "rb") as file:
                file.seek(offset)
                return Received(
                    file.read(-1 if length is None else length), _info(key, os.fstat(file.fileno()))
                )
        except _NOT_THERE:
            return None
        except OSError as error:
            raise read_failure(error, path, f"Object {key}") from error

    def head(self, key: str) -> ObjectInfo | None:
        """Return what is known of an object; None if there is none. Raises StoreError."""
        try:
            status = os.stat(self._path(key))
        except _NOT_THERE:
            return None
        except OSError as error:
            raise read_failure(error, self._path(key), f"Object {key}") from error
        return _info(key, status) if stat.S_ISREG(status.st_mode) else None

    def put(
        self,
        key: str,
        data: bytes,
        *,
        content_type: str | None = None,
        metadata: Mapping[str, str] = NO_METADATA,
    ) -> None:
        """Write an object, instead of one that is there. Raises StoreError."""
        self._write(key, lambda path: _write_bytes(path, data), os.replace)

    def put_new(self, key: str, data: bytes) -> bool:
        """Write an object if there is none; say whether it was written. Raises StoreError."""
        try:
            self._write(key, lambda path: _write_bytes(path, data), os.link)
        except FileExistsError:
            return False
        return True

    def put_file(self, key: str, path: str, *, only_new: bool = False) -> bool:
        """Write an object from a file; False: `only_new`, and it was there. Raises StoreError."""
        if only_new and os.path.exists(self._path(key)):
            return False
        try:
            self._write(key, lambda written: _copy(path, written), os.link if only_new else os.replace)
        except FileExistsError:
            return False
        return True

    def get_file(self, key: str, path: str) -> ObjectInfo | None:
        """Write an object's bytes into a file; None: there is no such object. Raises StoreError."""
        info = self.head(key)
        if info is not None:
            try:
                _copy(self._path(key), path)
            except OSError as error:
                raise read_failure(error, self._path(key), f"Object {key}") from error
        return info

    def list(
        self, prefix: str = "", *, after: str = "", one_level: bool = False, page: int = 1000
    ) -> Iterator[ObjectInfo]:
        """Yield the objects whose key begins with `prefix`, in order of their keys, from behind `after` on."""
        directory = os.path.dirname(self._path(prefix + "x"))
        found: list[str] = []
        for place, _, names in os.walk(directory):
            below = os.path.relpath(place, self._root)
            found += [name if below == "." else f"{below}/{name}" for name in names if _WRITING not in name]
        seen: dict[str, None] = {}
        for key in sorted(found):
            if not key.startswith(prefix) or key <= after:
                continue
            first, is_deeper, _ = key[len(prefix) :].partition("/")
            if one_level and is_deeper:
                if first not in seen:
                    seen[first] = None
                    yield ObjectInfo(f"{prefix}{first}/", 0, "", 0.0, is_prefix=True)
                continue
            info = self.head(key)
            if info is not None:
                yield info

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; those that are not there are no error. Raises StoreError."""
        for key in keys:
            try:
                if not os.path.isdir(self._path(key)):
                    os.unlink(self._path(key))
            except _NOT_THERE:
                continue
            except OSError as error:
                raise write_failure(error, self._path(key), f"Object {key}") from error

    def check(self) -> None:
        """See that the directory is there. Raises StoreError."""
        if not os.path.isdir(os.path.dirname(self._root)):
            raise StoreError(f"There is no directory {self._root}", hint="Is the file system mounted here?")

    def close(self) -> None:
        """Do nothing: what is wrapped is closed by whoever has opened it."""

    def together(self, do: Callable[[Any], _R], items: Sequence[Any]) -> list[_R]:  # Any: the caller's
        """Call `do` for all items; return the results in order."""
        return [do(item) for item in items]

    def _path(self, key: str) -> str:
        path = os.path.normpath(os.path.join(self._root, key))
        if not path.startswith(f"{self._root}/"):
            raise StoreError(f"{key!r:.200} is no key below {self._root}")
        return path

    def _write(self, key: str, fill: Callable[[str], None], publish: Callable[[str, str], None]) -> None:
        path = self._path(key)
        written = f"{path}{_WRITING}{os.getpid()}-{os.urandom(6).hex()}"
        try:
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            try:
                fill(written)
                publish(written, path)
            finally:
                if os.path.exists(written):
                    os.unlink(written)
        except FileExistsError:
            raise
        except OSError as error:
            raise write_failure(error, path, f"Object {key}") from error


class InThreads:
    """`Objects` over blocking ones, each call in a thread.

    Args:
        objects: A directory's, or a bucket's; whoever has opened them closes them.
    """

    def __init__(self, objects: DirectoryObjects | BlockingObjects) -> None:
        self._objects = objects

    @property
    def url(self) -> str:
        """As of the objects."""
        return self._objects.url

    async def get(self, key: str, *, offset: int = 0, length: int | None = None) -> Received | None:
        """See `Objects.get`."""
        return await anyio.to_thread.run_sync(lambda: self._objects.get(key, offset=offset, length=length))

    async def head(self, key: str) -> ObjectInfo | None:
        """See `Objects.head`."""
        return await anyio.to_thread.run_sync(self._objects.head, key)

    async def put(
        self,
        key: str,
        data: bytes,
        *,
        content_type: str | None = None,
        metadata: Mapping[str, str] = NO_METADATA,
    ) -> None:
        """See `Objects.put`."""
        await anyio.to_thread.run_sync(
            lambda: self._objects.put(key, data, content_type=content_type, metadata=metadata)
        )

    async def put_new(self, key: str, data: bytes) -> bool:
        """See `Objects.put_new`."""
        return await anyio.to_thread.run_sync(self._objects.put_new, key, data)

    async def put_file(self, key: str, path: str, *, only_new: bool = False) -> bool:
        """See `Objects.put_file`."""
        return await anyio.to_thread.run_sync(lambda: self._objects.put_file(key, path, only_new=only_new))

    async def get_file(self, key: str, path: str) -> ObjectInfo | None:
        """See `Objects.get_file`."""
        return await anyio.to_thread.run_sync(self._objects.get_file, key, path)

    async def list(
        self, prefix: str = "", *, after: str = "", one_level: bool = False, page: int = 1000
    ) -> AsyncGenerator[ObjectInfo]:
        """See `Objects.list`."""
        found = await anyio.to_thread.run_sync(
            lambda: list(self._objects.list(prefix, after=after, one_level=one_level, page=page))
        )
        for info in found:
            yield info

    async def delete(self, keys: Sequence[str]) -> None:
        """See `Objects.delete`."""
        await anyio.to_thread.run_sync(self._objects.delete, keys)

    async def check(self) -> None:
        """See `Objects.check`."""
        await anyio.to_thread.run_sync(self._objects.check)

    async def aclose(self) -> None:
        """Do nothing: no connection is open."""


def _info(key: str, status: os.stat_result) -> ObjectInfo:
    mark = f"{status.st_ino}-{status.st_mtime_ns}-{status.st_size}"
    return ObjectInfo(
        key=key,
        size_bytes=status.st_size,
        etag=hashlib.sha256(mark.encode()).hexdigest()[:32],
        modified_at=status.st_mtime,
    )


def _write_bytes(path: str, data: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(data)


def _copy(source: str, target: str) -> None:
    shutil.copyfile(source, target)
    os.chmod(target, 0o600)

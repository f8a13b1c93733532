"""A bucket without an event loop: what `aio.S3Objects` does, blocking, with botocore and a few threads.

For workers in containers, which bring as few packages as they can, for processes that were forked, and for programs
that know no asyncio. May be used from several threads at once; a fork needs one of its own.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import TypeVar

from asyncflow.records import replace
from asyncflow.store.objects import NO_METADATA, ObjectInfo, Received
from asyncflow.store.s3.address import S3Address
from asyncflow.store.s3.asking import Asking, Refused, Streamed, for_one_try
from asyncflow.store.s3.failures import RemoteStoreError, refusal_of
from asyncflow.store.s3.requests import (
    MOST_DELETED,
    PART_BYTES,
    PARTS_AT_ONCE,
    SMALL_BYTES,
    Arguments,
    Part,
    is_precondition,
    parts_after,
    parts_of,
)

__all__ = ["BlockingObjects"]

_MISSING = ("NoSuchKey", "404", "NotFound")
_BEYOND = ("InvalidRange", "416")
_HEAD_FIRST_BYTES = 256 << 10
_PIECE_BYTES = 1 << 20
_R = TypeVar("_R")


class BlockingObjects(Asking):
    """The objects below `s3://bucket/prefix`; each method does what the one of `Objects` does, and blocks.

    Args:
        address: Bucket and prefix.
        settings: How the server is reached. None: as the environment says.
        threads: How many requests of `together` and of large files are under way at once.
        client: A botocore client to use in place of one of its own.
    """

    def at(self, address: S3Address, *, encryption: str | None = None) -> BlockingObjects:
        """Return the objects of another bucket or prefix, over the same connections.

        Args:
            address: Bucket and prefix.
            encryption: For what is written there. None: as here.
        """
        settings = replace(self._settings, encryption=encryption) if encryption else self._settings
        other = BlockingObjects(address, settings, threads=self._threads, client=self._client)
        other._rate, other._lock, other._parts = self._rate, self._lock, self._parts
        return other

    def get(self, key: str, *, offset: int = 0, length: int | None = None) -> Received | None:
        """Return an object or a part of it; None if there is no such object."""
        if length == 0:
            info = self.head(key)
            return None if info is None else Received(b"", info)
        arguments = self._requests.get(key, offset, length)

        def once() -> Received:
            answer = self._client.get_object(**arguments)
            with answer["Body"] as body:
                data: bytes = body.read()
            if len(data) != int(answer["ContentLength"]):
                raise ConnectionError(f"{len(data)} bytes arrived instead of {answer['ContentLength']}")
            return Received(data, self._requests.info(key, answer))

        return self._got(once, key, lambda info: Received(b"", info))

    def head(self, key: str) -> ObjectInfo | None:
        """Return what is known of an object; None if there is none."""
        try:
            answer = self._call("head_object", self._requests.of(key), key, "read")
        except Refused as refused:
            if refused.problem.code in _MISSING:
                return None
            raise self._told(refused.problem, key, "read") from refused
        return self._requests.info(key, answer)

    def put(
        self,
        key: str,
        data: bytes,
        *,
        content_type: str | None = None,
        metadata: Mapping[str, str] = NO_METADATA,
    ) -> None:
        """Write an object, instead of one that is there."""
        arguments = self._requests.put(key, data, content_type=content_type, metadata=metadata)
        self._do("put_object", arguments, key, "written")

    def put_new(
        self,
        key: str,
        data: bytes,
        *,
        content_type: str | None = None,
        metadata: Mapping[str, str] = NO_METADATA,
    ) -> bool:
        """Write an object if there is none; say whether it was written."""
        return self._put_new(key, data, content_type, metadata, lambda: data)

    def put_file(
        self,
        key: str,
        path: str,
        *,
        only_new: bool = False,
        content_type: str | None = None,
        metadata: Mapping[str, str] = NO_METADATA,
    ) -> bool:
        """Write an object from a file; False: `only_new`, and it was there. Raises OSError for the file."""
        size = os.stat(path).st_size
        if only_new and size > _HEAD_FIRST_BYTES and self.head(key) is not None:
            return False
        if size > PART_BYTES:
            kept = self._requests.written(content_type, metadata)
            return self._put_parts(key, path, kept, only_new=only_new)
        with open(path, "rb") as file, self._parts if size > SMALL_BYTES else nullcontext():
            data = Streamed(file.fileno(), 0, size) if size > SMALL_BYTES else file.read()
            if only_new:
                return self._put_new(key, data, content_type, metadata, lambda: _content(path))
            arguments = self._requests.put(key, data, content_type=content_type, metadata=metadata)
            self._do("put_object", arguments, key, "written")
            return True

    def get_file(
        self, key: str, path: str, *, offset: int = 0, length: int | None = None
    ) -> ObjectInfo | None:
        """Write an object's bytes, or some of them, into a file; None: there is no such object.

        Raises OSError for the file.
        """
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            most = PART_BYTES if length is None else min(PART_BYTES, length)
            first = self._get_into(key, fd, 0, offset, most)
            if first is None:
                os.unlink(path)
                return None
            info, received = first
            left = max(0, info.size_bytes - offset)
            rest = parts_after(left if length is None else min(left, length), received)

            def fetch(part: Part) -> None:
                with self._parts:
                    got = self._get_into(key, fd, part.offset, offset + part.offset, part.length)
                if got is None or got[1] != part.length:
                    raise RemoteStoreError(f"{self._where(key)} changed while it was read")

            self.together(fetch, rest, most=PARTS_AT_ONCE)
        finally:
            os.close(fd)
        return info

    def list(
        self, prefix: str = "", *, after: str = "", one_level: bool = False, page: int = 1000
    ) -> Iterator[ObjectInfo]:
        """Yield the objects whose key begins with `prefix`, in order of their keys."""
        arguments = self._requests.list(prefix, after, one_level=one_level, page=page)
        while True:
            answer = self._do("list_objects_v2", arguments, prefix, "listed")
            yield from self._requests.listed(answer)
            if not answer.get("IsTruncated"):
                return
            arguments = {**arguments, "ContinuationToken": answer["NextContinuationToken"]}

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; those that are not there are no error."""
        for at in range(0, len(keys), MOST_DELETED):
            arguments = self._requests.delete(keys[at : at + MOST_DELETED])
            answer = self._do("delete_objects", arguments, keys[at], "deleted")
            for error in answer.get("Errors") or ():
                raise self._told(refusal_of({"Error": error}), str(error.get("Key", "")), "deleted")

    def check(self) -> None:
        """See that the bucket is there and may be read, with one request."""
        self._do("list_objects_v2", self._requests.list("", "", one_level=False, page=1), "", "read")

    def _put_new(
        self,
        key: str,
        data: bytes | Streamed,
        content_type: str | None,
        metadata: Mapping[str, str],
        content: Callable[[], bytes],
    ) -> bool:
        arguments = self._requests.put(key, data, only_new=True, content_type=content_type, metadata=metadata)
        tries: list[None] = []

        def once() -> None:
            tries.append(None)
            self._client.put_object(**for_one_try(arguments))

        try:
            self._persist(once, key, "written")
        except Refused as refused:
            if not is_precondition(refused.problem.status, refused.problem.code):
                raise self._told(refused.problem, key, "written") from refused
            if len(tries) == 1:
                return False
            there = self.get(key)  # perhaps our own: the answer to an earlier try was lost
            return there is not None and there.data == content()
        return True

    # Parts

    def _put_parts(self, key: str, path: str, kept: Arguments, *, only_new: bool) -> bool:
        named = self._requests.of(key)
        begun = self._do("create_multipart_upload", {**named, **kept}, key, "written")
        upload = {**named, "UploadId": begun["UploadId"]}
        try:
            with io.FileIO(path, "rb") as file:
                fd = file.fileno()

                def send(part: Part) -> Arguments:
                    with self._parts:
                        body = Streamed(fd, part.offset, part.length)
                        arguments = {**upload, "PartNumber": part.number, "Body": body}
                        answer = self._do("upload_part", arguments, key, "written")
                        return {"PartNumber": part.number, "ETag": answer["ETag"]}

                sent = self.together(send, parts_of(os.fstat(fd).st_size), most=PARTS_AT_ONCE)
            return self._complete(upload, key, sent, only_new=only_new)
        except BaseException:
            self._abort(upload, key)
            raise

    def _complete(self, upload: Arguments, key: str, parts: Sequence[Arguments], *, only_new: bool) -> bool:
        arguments: Arguments = {**upload, "MultipartUpload": {"Parts": parts}}
        if only_new:
            arguments["IfNoneMatch"] = "*"
        try:
            self._call("complete_multipart_upload", arguments, key, "written")
        except Refused as refused:
            problem = refused.problem
            if problem.code == "NoSuchUpload" and self.head(key) is not None:
                return True  # the answer to an earlier try was lost
            if not is_precondition(problem.status, problem.code):
                raise self._told(problem, key, "written") from refused
            self._abort(upload, key)
            return False
        return True

    def _abort(self, upload: Arguments, key: str) -> None:
        try:
            self._call("abort_multipart_upload", upload, key, "written")
        except (Refused, RemoteStoreError):
            return  # a rule of the bucket that ends incomplete uploads does the rest

    def _get_into(
        self, key: str, fd: int, at: int, offset: int, length: int
    ) -> tuple[ObjectInfo, int] | None:
        """Write a part of an object into an open file, in pieces; return what is known of all of it, and the length."""
        arguments = self._requests.get(key, offset, length)

        def once() -> tuple[ObjectInfo, int]:
            answer = self._client.get_object(**arguments)
            count = 0
            with answer["Body"] as body:
                while piece := body.read(_PIECE_BYTES):
                    _write(fd, piece, at + count)
                    count += len(piece)
            if count != int(answer["ContentLength"]):
                raise ConnectionError(f"{count} bytes arrived instead of {answer['ContentLength']}")
            return self._requests.info(key, answer), count

        if length == 0:
            info = self.head(key)
            return None if info is None else (info, 0)
        return self._got(once, key, lambda info: (info, 0))

    def _got(self, once: Callable[[], _R], key: str, nothing: Callable[[ObjectInfo], _R]) -> _R | None:
        """Return what is read; None: there is no such object; `nothing` of it: it has nothing in that range."""
        try:
            return self._persist(once, key, "read")
        except Refused as refused:
            if refused.problem.code in _BEYOND:
                info = self.head(key)
                return None if info is None else nothing(info)
            if refused.problem.code in _MISSING:
                return None
            raise self._told(refused.problem, key, "read") from refused


def _write(fd: int, data: bytes, offset: int) -> None:
    """Write all of it, however the kernel cuts it."""
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view, offset = view[written:], offset + written


def _content(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()

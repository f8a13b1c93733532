"""A bucket without an event loop: what `aio.S3Objects` does, blocking, with botocore and a few threads.

For workers in containers, which bring as few packages as they can, for processes that were forked, and for programs
that know no asyncio. May be used from several threads at once; a fork needs one of its own.
"""

from __future__ import annotations

import io
import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, TypeVar

from asyncflow.store.objects import NO_METADATA, ObjectInfo, Received
from asyncflow.store.s3.address import S3Address, S3Settings
from asyncflow.store.s3.failures import Problem, RemoteStoreError, problem_of, refusal_of, told
from asyncflow.store.s3.library import blocking_client, client_errors
from asyncflow.store.s3.policy import MOST_TRIES, Rate, Verdict, pause_s
from asyncflow.store.s3.requests import (
    MOST_DELETED,
    PART_BYTES,
    PARTS_AT_ONCE,
    Arguments,
    Part,
    Requests,
    is_precondition,
    parts_after,
    parts_of,
)

__all__ = ["BlockingObjects"]

_MISSING = ("NoSuchKey", "404", "NotFound")
_BEYOND = ("InvalidRange", "416")
_HEAD_FIRST_BYTES = 256 << 10
_R = TypeVar("_R")


class BlockingObjects:
    """The objects below `s3://bucket/prefix`; each method does what the one of `Objects` does, and blocks.

    Args:
        address: Bucket and prefix.
        settings: How the server is reached. None: as the environment says.
        threads: How many requests of `together` and of large files are under way at once.
        client: A botocore client to use in place of one of its own.
    """

    def __init__(
        self,
        address: S3Address,
        settings: S3Settings | None = None,
        *,
        threads: int = 16,
        client: Any = None,  # Any: made by botocore from its service description
    ) -> None:
        self._address = address
        self._settings = settings or S3Settings.from_environment()
        self._requests = Requests(address=address, settings=self._settings)
        self._rate = Rate()
        self._lock = threading.Lock()
        self._threads = threads
        self._given = client is not None
        self._made: Any = client  # Any: made by botocore from its service description

    @property
    def url(self) -> str:
        """`s3://bucket/prefix`."""
        return self._address.url

    @property
    def server(self) -> str:
        """Who is asked, for messages."""
        return self._settings.endpoint_url or "AWS"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. Safe to call twice; a later call opens new ones."""
        with self._lock:
            made = self._made
            if not self._given:
                self._made = None
        if made is not None and not self._given:
            made.close()

    def at(self, address: S3Address) -> BlockingObjects:
        """Return the objects of another bucket or prefix, over the same connections."""
        other = BlockingObjects(address, self._settings, threads=self._threads, client=self._client)
        other._rate = self._rate
        return other

    def get(self, key: str, *, offset: int = 0, length: int | None = None) -> Received | None:
        """Return an object or a part of it; None if there is no such object."""
        if length == 0:
            return self._empty(key)
        arguments = self._requests.get(key, offset, length)

        def once() -> Received:
            answer = self._client.get_object(**arguments)
            with answer["Body"] as body:
                data: bytes = body.read()
            if len(data) != int(answer["ContentLength"]):
                raise ConnectionError(f"{len(data)} bytes arrived instead of {answer['ContentLength']}")
            return Received(data, self._requests.info(key, answer))

        try:
            return self._persist(once, key, "read")
        except _Refused as refused:
            if refused.problem.code in _BEYOND:
                return self._empty(key)
            if refused.problem.code in _MISSING:
                return None
            raise self._told(refused.problem, key, "read") from refused

    def head(self, key: str) -> ObjectInfo | None:
        """Return what is known of an object; None if there is none."""
        try:
            answer = self._call("head_object", self._requests.of(key), key, "read")
        except _Refused as refused:
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
        arguments = self._requests.put(key, data, only_new=True, content_type=content_type, metadata=metadata)
        tries: list[None] = []

        def once() -> None:
            tries.append(None)
            self._client.put_object(**arguments)

        try:
            self._persist(once, key, "written")
        except _Refused as refused:
            if not is_precondition(refused.problem.status, refused.problem.code):
                raise self._told(refused.problem, key, "written") from refused
            if len(tries) == 1:
                return False
            there = self.get(key)  # perhaps our own: the answer to an earlier try was lost
            return there is not None and there.data == data
        return True

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
        with open(path, "rb") as file:
            data = file.read()
        if only_new:
            return self.put_new(key, data, content_type=content_type, metadata=metadata)
        self.put(key, data, content_type=content_type, metadata=metadata)
        return True

    def get_file(
        self, key: str, path: str, *, offset: int = 0, length: int | None = None
    ) -> ObjectInfo | None:
        """Write an object's bytes, or some of them, into a file; None: there is no such object.

        Raises OSError for the file.
        """
        most = PART_BYTES if length is None else min(PART_BYTES, length)
        first = self.get(key, offset=offset, length=most)
        if first is None:
            return None
        left = max(0, first.info.size_bytes - offset)
        wanted = left if length is None else min(left, length)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            _write(fd, first.data, 0)
            rest = parts_after(wanted, len(first.data))

            def fetch(part: Part) -> None:
                received = self.get(key, offset=offset + part.offset, length=part.length)
                if received is None or len(received.data) != part.length:
                    raise RemoteStoreError(f"{self._where(key)} changed while it was read")
                _write(fd, received.data, part.offset)

            self.together(fetch, rest, most=PARTS_AT_ONCE)
        finally:
            os.close(fd)
        return first.info

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

    def together(self, do: Callable[[Any], _R], items: Sequence[Any], *, most: int | None = None) -> list[_R]:
        """Call `do` for all items, several at once; return the results in order. Raises the first error."""
        if len(items) <= 1:
            return [do(item) for item in items]
        with ThreadPoolExecutor(min(most or self._threads, len(items)), "asyncflow-s3") as pool:
            futures = [pool.submit(do, item) for item in items]
            try:
                return [future.result() for future in futures]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    # Parts

    def _put_parts(self, key: str, path: str, kept: Arguments, *, only_new: bool) -> bool:
        named = self._requests.of(key)
        begun = self._do("create_multipart_upload", {**named, **kept}, key, "written")
        upload = {**named, "UploadId": begun["UploadId"]}
        try:
            with io.FileIO(path, "rb") as file:
                fd = file.fileno()

                def send(part: Part) -> Arguments:
                    data = os.pread(fd, part.length, part.offset)
                    if len(data) != part.length:
                        raise RemoteStoreError(f"{path} became shorter while it was sent")
                    arguments = {**upload, "PartNumber": part.number, "Body": data}
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
        except _Refused as refused:
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
        except (_Refused, RemoteStoreError):
            return  # a rule of the bucket that ends incomplete uploads does the rest

    # Requests

    @property
    def _client(self) -> Any:  # Any: made by botocore from its service description
        made = self._made
        if made is None:
            with self._lock:
                made = self._made
                if made is None:
                    made = self._made = self._open()
        return made

    def _open(self) -> Any:  # Any: a botocore client
        try:
            return blocking_client(self._settings, max(32, self._threads))
        except (*client_errors(), ValueError) as error:
            raise self._told(problem_of(error), "", "opened") from error

    def _empty(self, key: str) -> Received | None:
        info = self.head(key)
        return None if info is None else Received(b"", info)

    def _do(self, operation: str, arguments: Arguments, key: str, what: str) -> Any:  # Any: an answer
        try:
            return self._call(operation, arguments, key, what)
        except _Refused as refused:
            raise self._told(refused.problem, key, what) from refused

    def _call(self, operation: str, arguments: Arguments, key: str, what: str) -> Any:  # Any: an answer
        return self._persist(lambda: getattr(self._client, operation)(**arguments), key, what)

    def _persist(self, once: Callable[[], _R], key: str, what: str) -> _R:
        for tries in range(1, MOST_TRIES + 1):
            with self._lock:
                wait = self._rate.wait_s(time.monotonic())
            if wait > 0:
                time.sleep(wait)
            try:
                return once()
            except client_errors() as error:
                problem = problem_of(error)
                if problem.verdict is Verdict.FINAL:
                    raise _Refused(problem) from error
                if problem.verdict is Verdict.SLOW_DOWN:
                    with self._lock:
                        self._rate.slow_down(time.monotonic())
                if tries == MOST_TRIES:
                    raise self._told(problem, key, what) from error
            time.sleep(pause_s(tries, random.random()))
        raise AssertionError("the loop returns or raises")

    def _told(self, problem: Problem, key: str, what: str) -> RemoteStoreError:
        return told(problem, self._where(key), what, server=self.server)

    def _where(self, key: str) -> str:
        return f"{self.url}/{key}" if key else self.url


class _Refused(Exception):
    """The server's last word."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


def _write(fd: int, data: bytes, offset: int) -> None:
    """Write all of it, however the kernel cuts it."""
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view, offset = view[written:], offset + written

"""A bucket on an event loop: `Objects` over aiobotocore."""

from __future__ import annotations

import asyncio
import io
import os
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from types import TracebackType
from typing import Any, Self, cast

import anyio
import anyio.to_thread

from asyncflow.records import replace
from asyncflow.store.objects import NO_METADATA, ObjectInfo, Received
from asyncflow.store.s3.address import S3Address, S3Settings
from asyncflow.store.s3.asking import Streamed, for_one_try
from asyncflow.store.s3.direct import Direct, watch
from asyncflow.store.s3.failures import Problem, RemoteStoreError, problem_of, refusal_of, told
from asyncflow.store.s3.library import client_errors, opening_client
from asyncflow.store.s3.policy import Rate, Verdict, pause_s
from asyncflow.store.s3.requests import (
    MOST_DELETED,
    PART_BYTES,
    PARTS_AT_ONCE,
    SMALL_BYTES,
    Arguments,
    Part,
    Requests,
    is_precondition,
    parts_after,
    parts_of,
)

__all__ = ["S3Objects"]

_CONNECTIONS = 32
_MISSING = ("NoSuchKey", "404", "NotFound")
_BEYOND = ("InvalidRange", "416")


class S3Objects:
    """The objects below `s3://bucket/prefix`; see `asyncflow.store.objects.Objects`. Enter it with `async with`.

    Args:
        address: Bucket and prefix.
        settings: How the server is reached. None: as the environment says.
    """

    def __init__(self, address: S3Address, settings: S3Settings | None = None) -> None:
        self._address = address
        self._settings = settings or S3Settings.from_environment()
        self._requests = Requests(address=address, settings=self._settings)
        self._rate = Rate()
        self._parts = asyncio.Semaphore(PARTS_AT_ONCE)
        self._opened: Any = None  # Any: aiobotocore's context manager of a client
        self._client: Any = None  # Any: made by botocore from its service description
        self._credentials: Any = None  # Any: aiobotocore's
        self._direct = Direct(None, None)

    @property
    def url(self) -> str:
        """`s3://bucket/prefix`."""
        return self._address.url

    @property
    def server(self) -> str:
        """Who is asked, for messages."""
        return self._settings.endpoint_url or "AWS"

    async def __aenter__(self) -> Self:
        """Make the client. Nothing is sent. Raises StoreError if the configuration is wrong."""
        try:
            self._opened = opening_client(self._settings, _CONNECTIONS)
            self._client, self._credentials = await self._opened.__aenter__()
            watch(self._client)
            self._direct = Direct(self._client, self._credentials)
        except (*client_errors(), ValueError) as error:
            raise self._told(problem_of(error), "", "opened") from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections. Safe to call twice."""
        opened, self._opened = self._opened, None
        if opened is not None:
            with anyio.CancelScope(shield=True):
                await opened.__aexit__(None, None, None)

    def at(self, address: S3Address, *, encryption: str | None = None) -> S3Objects:
        """Return the objects of another bucket or prefix, over the same connections; they end with these.

        Args:
            address: Bucket and prefix.
            encryption: For what is written there. None: as here.
        """
        settings = replace(self._settings, encryption=encryption) if encryption else self._settings
        other = S3Objects(address, settings)
        other._rate, other._parts, other._client = self._rate, self._parts, self._client
        other._credentials = self._credentials
        other._direct = Direct(self._client, self._credentials)
        return other

    async def get(self, key: str, *, offset: int = 0, length: int | None = None) -> Received | None:
        """Return an object or a part of it. See `Objects.get`."""
        if length == 0:
            info = await self.head(key)
            return None if info is None else Received(b"", info)
        arguments = self._requests.get(key, offset, length)
        full_key = arguments["Key"]

        async def once() -> Received | None:
            found = await self._direct.get(full_key, arguments.get("Range", ""))
            if found is not None:
                if found.is_missing:
                    return None
                return Received(found.data, self._requests.info_of(key, found.headers))
            with self._direct.learning(full_key):
                answer = await self._client.get_object(**arguments)
            async with answer["Body"] as body:
                data: bytes = await body.read()
            if len(data) != int(answer["ContentLength"]):
                raise ConnectionError(f"{len(data)} bytes arrived instead of {answer['ContentLength']}")
            return Received(data, self._requests.info(key, answer))

        try:
            return await self._persist(once, key, "read")
        except _Refused as refused:
            if refused.problem.code in _BEYOND:
                info = await self.head(key)
                return None if info is None else Received(b"", info)
            if refused.problem.code in _MISSING:
                return None
            raise self._told(refused.problem, key, "read") from refused

    async def head(self, key: str) -> ObjectInfo | None:
        """Return what is known of an object. See `Objects.head`."""
        try:
            answer = await self._call("head_object", self._requests.of(key), key, "read")
        except _Refused as refused:
            if refused.problem.code in _MISSING:
                return None
            raise self._told(refused.problem, key, "read") from refused
        return self._requests.info(key, answer)

    async def put(
        self,
        key: str,
        data: bytes,
        *,
        content_type: str | None = None,
        metadata: Mapping[str, str] = NO_METADATA,
    ) -> None:
        """Write an object. See `Objects.put`."""
        arguments = self._requests.put(key, data, content_type=content_type, metadata=metadata)
        await self._do("put_object", arguments, key, "written")

    async def put_new(
        self,
        key: str,
        data: bytes,
        *,
        content_type: str | None = None,
        metadata: Mapping[str, str] = NO_METADATA,
    ) -> bool:
        """Write an object if there is none. See `Objects.put_new`."""
        # aiohttp sends a PUT again by itself when a kept connection turns out to be dead: who wrote is seen by a mark.
        mark = os.urandom(8).hex()
        marked = {**metadata, _MARK: mark}
        arguments = self._requests.put(key, data, only_new=True, content_type=content_type, metadata=marked)
        try:
            await self._call("put_object", arguments, key, "written")
        except _Refused as refused:
            if not is_precondition(refused.problem.status, refused.problem.code):
                raise self._told(refused.problem, key, "written") from refused
            there = await self.head(key)
            return there is not None and there.metadata.get(_MARK) == mark
        return True

    async def put_file(
        self,
        key: str,
        path: str,
        *,
        only_new: bool = False,
        content_type: str | None = None,
        metadata: Mapping[str, str] = NO_METADATA,
    ) -> bool:
        """Write an object from a file. See `Objects.put_file`."""
        size = (await anyio.Path(path).stat()).st_size
        if only_new and size > _HEAD_FIRST_BYTES and await self.head(key) is not None:
            return False
        if size > PART_BYTES:
            kept = self._requests.written(content_type, metadata)
            return await self._put_parts(key, path, size, kept, only_new=only_new)
        async with self._parts if size > SMALL_BYTES else nullcontext():
            data = await anyio.Path(path).read_bytes()
            if only_new:
                return await self.put_new(key, data, content_type=content_type, metadata=metadata)
            await self.put(key, data, content_type=content_type, metadata=metadata)
            return True

    async def get_file(
        self,
        key: str,
        path: str,
        *,
        offset: int = 0,
        length: int | None = None,
        first_bytes: int = PART_BYTES,
    ) -> ObjectInfo | None:
        """Write an object's bytes, or some of them, into a file. See `Objects.get_file`.

        `first_bytes` are asked for before the size is known; less of them where many files are fetched at once.
        """
        first = await self.get(
            key, offset=offset, length=first_bytes if length is None else min(first_bytes, length)
        )
        if first is None:
            return None
        info = first.info
        left = max(0, info.size_bytes - offset)
        wanted = left if length is None else min(left, length)
        with await anyio.to_thread.run_sync(_create, path) as file:
            fd = file.fileno()
            await anyio.to_thread.run_sync(os.pwrite, fd, first.data, 0)
            received = len(first.data)
            del first
            try:
                async with anyio.create_task_group() as group:
                    for part in parts_after(wanted, received):
                        await self._parts.acquire()
                        group.start_soon(self._get_part, key, fd, part, offset)
            except BaseExceptionGroup as failures:
                raise _first_of(cast("BaseException", failures)) from None
        return info

    async def list(
        self, prefix: str = "", *, after: str = "", one_level: bool = False, page: int = 1000
    ) -> AsyncGenerator[ObjectInfo]:
        """Yield objects. See `Objects.list`."""
        arguments = self._requests.list(prefix, after, one_level=one_level, page=page)
        while True:
            answer = await self._do("list_objects_v2", arguments, prefix, "listed")
            for info in self._requests.listed(answer):
                yield info
            if not answer.get("IsTruncated"):
                return
            arguments = {**arguments, "ContinuationToken": answer["NextContinuationToken"]}

    async def delete(self, keys: Sequence[str]) -> None:
        """Remove objects. See `Objects.delete`."""
        for at in range(0, len(keys), MOST_DELETED):
            arguments = self._requests.delete(keys[at : at + MOST_DELETED])
            answer = await self._do("delete_objects", arguments, keys[at], "deleted")
            for error in answer.get("Errors") or ():
                raise self._told(refusal_of({"Error": error}), str(error.get("Key", "")), "deleted")

    async def check(self) -> None:
        """See that the bucket may be read. See `Objects.check`."""
        arguments = self._requests.list("", "", one_level=False, page=1)
        await self._do("list_objects_v2", arguments, "", "read")

    # Parts

    async def _put_parts(self, key: str, path: str, size: int, kept: Arguments, *, only_new: bool) -> bool:
        named = self._requests.of(key)
        begun = await self._do("create_multipart_upload", {**named, **kept}, key, "written")
        upload = {**named, "UploadId": begun["UploadId"]}
        etags: dict[int, str] = {}
        try:
            with await anyio.to_thread.run_sync(_open, path) as file:
                async with anyio.create_task_group() as group:
                    for part in parts_of(size):
                        await self._parts.acquire()
                        group.start_soon(self._put_part, upload, key, file.fileno(), part, etags)
            return await self._complete(upload, key, etags, only_new=only_new)
        except BaseExceptionGroup as failures:
            await self._abort(upload, key)
            raise _first_of(cast("BaseException", failures)) from None
        except BaseException:
            await self._abort(upload, key)
            raise

    async def _put_part(
        self, upload: Arguments, key: str, fd: int, part: Part, etags: dict[int, str]
    ) -> None:
        try:
            arguments = {**upload, "PartNumber": part.number, "Body": Streamed(fd, part.offset, part.length)}
            answer = await self._do("upload_part", arguments, key, "written")
            etags[part.number] = answer["ETag"]
        finally:
            self._parts.release()

    async def _complete(
        self, upload: Arguments, key: str, etags: Mapping[int, str], *, only_new: bool
    ) -> bool:
        parts = [{"PartNumber": number, "ETag": etags[number]} for number in sorted(etags)]
        arguments = {**upload, "MultipartUpload": {"Parts": parts}}
        if only_new:
            arguments["IfNoneMatch"] = "*"
        try:
            await self._call("complete_multipart_upload", arguments, key, "written")
        except _Refused as refused:
            problem = refused.problem
            if problem.code == "NoSuchUpload" and await self.head(key) is not None:
                return True  # the answer to an earlier try was lost
            if not is_precondition(problem.status, problem.code):
                raise self._told(problem, key, "written") from refused
            await self._abort(upload, key)
            return False
        return True

    async def _abort(self, upload: Arguments, key: str) -> None:
        """Take back what was sent, so that nobody pays for it."""
        with anyio.move_on_after(10, shield=True):
            try:
                await self._call("abort_multipart_upload", upload, key, "written")
            except (_Refused, RemoteStoreError):
                return  # a rule of the bucket that ends incomplete uploads does the rest

    async def _get_part(self, key: str, fd: int, part: Part, start: int) -> None:
        try:
            received = await self.get(key, offset=start + part.offset, length=part.length)
            if received is None or len(received.data) != part.length:
                raise RemoteStoreError(f"{self._where(key)} changed while it was read")
            await anyio.to_thread.run_sync(os.pwrite, fd, received.data, part.offset)
        finally:
            self._parts.release()

    # Requests

    async def _do(self, operation: str, arguments: Arguments, key: str, what: str) -> Any:  # Any: an answer
        """Do an operation whose every refusal is an error. Raises StoreError."""
        try:
            return await self._call(operation, arguments, key, what)
        except _Refused as refused:
            raise self._told(refused.problem, key, what) from refused

    async def _call(self, operation: str, arguments: Arguments, key: str, what: str) -> Any:  # Any: an answer
        return await self._persist(
            lambda: getattr(self._client, operation)(**for_one_try(arguments)), key, what
        )

    async def _persist(
        self, once: Callable[[], Awaitable[Any]], key: str, what: str
    ) -> Any:  # Any: an answer
        """Do something until it is answered. Raises _Refused for what is final, StoreError when it was tried enough."""
        for tries in range(1, self._settings.tries + 1):
            wait = self._rate.wait_s(time.monotonic())
            if wait > 0:
                await anyio.sleep(wait)
            try:
                return await once()
            except client_errors() as error:
                problem = problem_of(error)
                if problem.verdict is Verdict.FINAL:
                    raise _Refused(problem) from error
                if problem.verdict is Verdict.SLOW_DOWN:
                    self._rate.slow_down(time.monotonic())
                if tries == self._settings.tries:
                    raise self._told(problem, key, what) from error
            await anyio.sleep(pause_s(tries, random.random()))
        raise AssertionError("the loop returns or raises")

    def _told(self, problem: Problem, key: str, what: str) -> RemoteStoreError:
        return told(problem, self._where(key), what, server=self.server)

    def _where(self, key: str) -> str:
        return f"{self.url}/{key}" if key else self.url


_MARK = "asyncflow-writer"
"""Name of the metadata that say which call wrote an object."""
_HEAD_FIRST_BYTES = 256 << 10
"""A file longer than that is not sent before the server was asked whether it has it."""


class _Refused(Exception):
    """The server's last word."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


def _first_of(group: BaseException) -> BaseException:
    """Return the first error of a group of groups; an error that is none as it is."""
    while isinstance(group, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", group).exceptions[0]
    return group


def _create(path: str) -> io.FileIO:
    return io.FileIO(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "r+b")


def _open(path: str) -> io.FileIO:
    return io.FileIO(os.open(path, os.O_RDONLY | os.O_CLOEXEC), "rb")

"""Both clients of a bucket, and a directory that stands for one, for the tests that hold them to the same contract."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import anyio.to_thread

from asyncflow.store import directory
from asyncflow.store.objects import NO_METADATA, ObjectInfo, Objects, Received
from asyncflow.store.s3.address import S3Settings, parse_url
from asyncflow.store.s3.aio import S3Objects
from asyncflow.store.s3.blocking import BlockingObjects

CLIENTS = ("aio", "blocking")
DIRECTORY = "directory"


class InThreads:
    """`BlockingObjects` with each call in a thread."""

    def __init__(self, blocking: BlockingObjects) -> None:
        self.blocking = blocking

    @property
    def url(self) -> str:
        return self.blocking.url

    async def get(self, key: str, *, offset: int = 0, length: int | None = None) -> Received | None:
        return await anyio.to_thread.run_sync(lambda: self.blocking.get(key, offset=offset, length=length))

    async def head(self, key: str) -> ObjectInfo | None:
        return await anyio.to_thread.run_sync(self.blocking.head, key)

    async def put(
        self,
        key: str,
        data: bytes,
        *,
        content_type: str | None = None,
        metadata: Mapping[str, str] = NO_METADATA,
    ) -> None:
        await anyio.to_thread.run_sync(
            lambda: self.blocking.put(key, data, content_type=content_type, metadata=metadata)
        )

    async def put_new(self, key: str, data: bytes) -> bool:
        return await anyio.to_thread.run_sync(lambda: self.blocking.put_new(key, data))

    async def put_file(self, key: str, path: str, *, only_new: bool = False) -> bool:
        return await anyio.to_thread.run_sync(lambda: self.blocking.put_file(key, path, only_new=only_new))

    async def get_file(self, key: str, path: str) -> ObjectInfo | None:
        return await anyio.to_thread.run_sync(lambda: self.blocking.get_file(key, path))

    async def list(
        self, prefix: str = "", *, after: str = "", one_level: bool = False, page: int = 1000
    ) -> AsyncGenerator[ObjectInfo]:
        found = await anyio.to_thread.run_sync(
            lambda: list(self.blocking.list(prefix, after=after, one_level=one_level, page=page))
        )
        for info in found:
            yield info

    async def delete(self, keys: Sequence[str]) -> None:
        await anyio.to_thread.run_sync(self.blocking.delete, keys)

    async def check(self) -> None:
        await anyio.to_thread.run_sync(self.blocking.check)

    async def aclose(self) -> None:
        self.blocking.close()


@asynccontextmanager
async def opened(client: str, url: str, settings: S3Settings | None = None) -> AsyncIterator[Objects]:
    """Open one of `CLIENTS`, or a directory of which the URL is the path."""
    if client == DIRECTORY:
        yield directory.InThreads(directory.DirectoryObjects(url))
    elif client == "aio":
        async with S3Objects(parse_url(url), settings) as objects:
            yield objects
    else:
        with BlockingObjects(parse_url(url), settings) as blocking:
            yield InThreads(blocking)

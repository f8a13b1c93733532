"""Both clients of a bucket, and a directory that stands for one, for the tests that hold them to the same contract."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from asyncflow.store.directory import DirectoryObjects, InThreads
from asyncflow.store.objects import Objects
from asyncflow.store.s3.address import S3Settings, parse_url
from asyncflow.store.s3.aio import S3Objects
from asyncflow.store.s3.blocking import BlockingObjects

CLIENTS = ("aio", "blocking")
DIRECT = "direct"
"""The client on an event loop, once it has learnt how objects are asked for past the library's machinery."""
DIRECTORY = "directory"


@asynccontextmanager
async def opened(client: str, url: str, settings: S3Settings | None = None) -> AsyncIterator[Objects]:
    """Open one of `CLIENTS`, `DIRECT`, or a directory of which the URL is the path."""
    if client == DIRECTORY:
        yield InThreads(DirectoryObjects(url))
    elif client == "aio":
        async with S3Objects(parse_url(url), settings) as objects:
            yield objects
    elif client == DIRECT:
        async with S3Objects(parse_url(url), settings) as objects:
            await objects.put("lesson", b"")
            await objects.get("lesson")
            await objects.delete(["lesson"])
            yield objects
    else:
        with BlockingObjects(parse_url(url), settings) as blocking:
            yield InThreads(blocking)

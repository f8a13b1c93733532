"""Both ways to users' objects, under one hood: `asyncflow.S3` in threads, and that of `asyncflow.aio`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

import asyncflow
import asyncflow.aio

Opening = Callable[..., AbstractAsyncContextManager[Any]]


class InThreads:
    """`asyncflow.S3` with each call in a thread."""

    def __init__(self, s3: asyncflow.S3) -> None:
        self._s3 = s3

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._s3, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await anyio.to_thread.run_sync(lambda: method(*args, **kwargs))

        return call


@asynccontextmanager
async def _threaded(**options: Any) -> Any:
    with asyncflow.S3(**options) as s3:
        yield InThreads(s3)


@asynccontextmanager
async def _looped(**options: Any) -> Any:
    async with asyncflow.aio.S3(**options) as s3:
        yield s3


@pytest.fixture(params=["sync", "aio"])
def opening(request: pytest.FixtureRequest, tmp_path: Path) -> Opening:
    """Opens S3 with its files in the test's directory."""
    how = _threaded if request.param == "sync" else _looped
    return lambda **options: how(tmproot=str(tmp_path), **options)

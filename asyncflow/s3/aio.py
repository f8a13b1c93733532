"""`S3` for code on an event loop: the same methods and results, with `await`.

    async with S3(s3root="s3://bucket/prefix") as s3:
        for one in await s3.get_many(["a", "b"]):
            print(one.key, one.size)

Requests are this loop's own; files are written in threads. Cancelling is safe: what was being fetched is removed with
the rest, what was being stored is there or not.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from types import TracebackType
from typing import Any, Self, TypeVar, cast

import anyio
import anyio.to_thread

from asyncflow.s3.errors import telling
from asyncflow.s3.files import Files
from asyncflow.s3.getting import fetched, known, listed, missing
from asyncflow.s3.opening import settings_of, worker_count
from asyncflow.s3.places import Root, Wanted, root_of, wanted
from asyncflow.s3.sending import Sent, as_sent, bytes_of
from asyncflow.s3.values import S3GetObject, S3Object, S3PutObject
from asyncflow.store.objects import NO_METADATA
from asyncflow.store.s3.address import S3Address, S3Settings
from asyncflow.store.s3.aio import S3Objects
from asyncflow.store.s3.requests import PART_BYTES, PARTS_AT_ONCE, SMALL_BYTES

__all__ = ["S3"]

Key = str | S3GetObject
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class S3:
    """Objects in S3, for an event loop. Enter it with `async with`; files are removed in the end.

    The arguments are those of `asyncflow.S3`, without `external_client`; its methods say what these do and raise.
    """

    def __init__(
        self,
        tmproot: str | None = None,
        bucket: str | None = None,
        prefix: str | None = None,
        run: Any = None,  # Any: a flow, or the client's Run
        s3root: str | None = None,
        encryption: str | None = None,
        *,
        role: str | None = None,
        session_vars: Mapping[str, Any] | None = None,
        client_params: Mapping[str, Any] | None = None,
    ) -> None:
        self._root: Root = root_of(run=run, s3root=s3root, bucket=bucket, prefix=prefix)
        self._settings: S3Settings = settings_of(
            encryption, role=role, session_vars=session_vars, client_params=client_params
        )
        self._files = Files(tmproot)
        self._opened: S3Objects | None = None

    async def __aenter__(self) -> Self:
        """Make the client; nothing is sent."""
        with telling():
            self._opened = await S3Objects(S3Address("", ""), self._settings).__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Remove the files that were fetched, and end the connections. Safe to call twice."""
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._files.remove)
            opened, self._opened = self._opened, None
            if opened is not None:
                await opened.aclose()

    async def list_paths(self, keys: Iterable[str] | None = None) -> list[S3Object]:
        """Return what lies directly below each key. See `S3.list_paths`."""
        return await self._list(keys, one_level=True)

    async def list_recursive(self, keys: Iterable[str] | None = None) -> list[S3Object]:
        """Return all objects below each key. See `S3.list_recursive`."""
        return await self._list(keys, one_level=False)

    async def info(self, key: str | None = None, return_missing: bool = False) -> S3Object:
        """Return what is known of an object. See `S3.info`."""
        return await self._info(self._root.place(key), return_missing)

    async def info_many(self, keys: Iterable[str], return_missing: bool = False) -> list[S3Object]:
        """Return what is known of objects. See `S3.info_many`."""
        places = [self._root.place(key) for key in keys]
        return await self._together(lambda place: self._info(place, return_missing), places)

    async def get(
        self, key: Key | None = None, return_missing: bool = False, return_info: bool = True
    ) -> S3Object:
        """Fetch an object. See `S3.get`."""
        return await self._get(wanted(self._root, key), return_missing, return_info, PART_BYTES)

    async def get_many(
        self, keys: Iterable[Key], return_missing: bool = False, return_info: bool = True
    ) -> list[S3Object]:
        """Fetch objects. See `S3.get_many`."""
        return await self._get_many([wanted(self._root, key) for key in keys], return_missing, return_info)

    async def get_recursive(self, keys: Iterable[str], return_info: bool = False) -> list[S3Object]:
        """Fetch all objects below each key. See `S3.get_recursive`."""
        return await self._fetched(await self.list_recursive(keys), return_info)

    async def get_all(self, return_info: bool = False) -> list[S3Object]:
        """Fetch all objects below the root. See `S3.get_all`."""
        return await self._fetched(await self.list_recursive(), return_info)

    async def put(
        self,
        key: str,
        obj: Any,  # Any: a text, bytes or an open file
        overwrite: bool = True,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        """Store a value; return the address. See `S3.put`."""
        given = S3PutObject(key, obj, content_type=content_type, metadata=metadata)
        sent = as_sent(self._root, given)
        await self._put(sent, overwrite)
        return sent.place.url

    async def put_many(
        self, key_objs: Iterable[tuple[str, Any] | S3PutObject], overwrite: bool = True
    ) -> list[tuple[str, str]]:
        """Store values. See `S3.put_many`."""
        return await self._put_many([as_sent(self._root, given) for given in key_objs], overwrite)

    async def put_files(
        self, key_paths: Iterable[tuple[str, str] | S3PutObject], overwrite: bool = True
    ) -> list[tuple[str, str]]:
        """Store files. See `S3.put_files`."""
        several = [as_sent(self._root, given, is_file=True) for given in key_paths]
        return await self._put_many(several, overwrite)

    # How

    async def _list(self, keys: Iterable[str] | None, *, one_level: bool) -> list[S3Object]:
        places = [self._root.place(key) for key in ([None] if keys is None else keys)]

        async def below(place: Wanted) -> list[S3Object]:
            with telling():
                async with aclosing(self._at(place.bucket).list(place.below, one_level=one_level)) as found:
                    return [listed(self._root, place, info) async for info in found]

        return [one for several in await self._together(below, places) for one in several]

    async def _info(self, place: Wanted, return_missing: bool) -> S3Object:
        with telling():
            info = await self._at(place.bucket).head(place.name)
        return missing(place, self._root, return_missing) if info is None else known(place, self._root, info)

    async def _get(
        self, asked: Wanted, return_missing: bool, return_info: bool, first_bytes: int
    ) -> S3Object:
        path = await anyio.to_thread.run_sync(self._files.new_path)
        with telling():
            objects = self._at(asked.bucket)
            whole = await objects.head(asked.name) if asked.offset < 0 else None
            offset = asked.offset if whole is None else max(0, whole.size_bytes + asked.offset)
            info = await objects.get_file(
                asked.name, path, offset=max(0, offset), length=asked.length, first_bytes=first_bytes
            )
        if info is None:
            return missing(asked, self._root, return_missing)
        return fetched(asked, self._root, info, path, offset, return_info)

    async def _get_many(
        self, several: Sequence[Wanted], return_missing: bool, return_info: bool
    ) -> list[S3Object]:
        once = list(dict.fromkeys(several))
        first_bytes = PART_BYTES if len(once) <= PARTS_AT_ONCE else SMALL_BYTES
        got = await self._together(
            lambda asked: self._get(asked, return_missing, return_info, first_bytes), once
        )
        by_wanted = dict(zip(once, got, strict=True))
        return [by_wanted[asked] for asked in several]

    async def _fetched(self, found: Sequence[S3Object], return_info: bool) -> list[S3Object]:
        places = [self._root.place(one.key)._replace(prefix=one.prefix) for one in found]
        return await self._get_many(places, False, return_info)

    async def _put(self, sent: Sent, overwrite: bool) -> bool:
        """Store something; tell whether it was stored."""
        kept: dict[str, Any] = {"content_type": sent.content_type, "metadata": sent.metadata or NO_METADATA}
        async with self._bytes_of(sent) as (data, path):
            with telling():
                objects = self._at(sent.place.bucket, sent.encryption)
                if path is not None:
                    return await objects.put_file(sent.place.name, path, only_new=not overwrite, **kept)
                if not overwrite:
                    return await objects.put_new(sent.place.name, data, **kept)
                await objects.put(sent.place.name, data, **kept)
                return True

    @asynccontextmanager
    async def _bytes_of(self, sent: Sent) -> AsyncGenerator[tuple[bytes, str | None]]:
        """Give a value's bytes, or the path of a file with them, which is removed if it was made for that."""
        if sent.path is not None:
            yield b"", sent.path
            return
        data = await anyio.to_thread.run_sync(bytes_of, sent.value, self._files.new_path)
        if isinstance(data, bytes):
            yield data, None
            return
        try:
            yield b"", data
        finally:
            with suppress(OSError):
                os.unlink(data)

    async def _put_many(self, several: Sequence[Sent], overwrite: bool) -> list[tuple[str, str]]:
        stored = await self._together(lambda sent: self._put(sent, overwrite), several)
        return [
            (sent.place.key, sent.place.url)
            for sent, was_stored in zip(several, stored, strict=True)
            if was_stored
        ]

    async def _together(
        self, do: Callable[[_Item], Awaitable[_Result]], several: Sequence[_Item]
    ) -> list[_Result]:
        """Do something for all items, several at once; return the results in order. Raises the first error."""
        results: dict[int, _Result] = {}
        room = anyio.Semaphore(worker_count())

        async def one(at: int, item: _Item) -> None:
            try:
                results[at] = await do(item)
            finally:
                room.release()

        try:
            async with anyio.create_task_group() as group:
                for at, item in enumerate(several):
                    await room.acquire()
                    group.start_soon(one, at, item)
        except BaseExceptionGroup as failures:
            raise _first_of(cast("BaseException", failures)) from None
        return [results[at] for at in range(len(several))]

    def _at(self, bucket: str, encryption: str | None = None) -> S3Objects:
        if self._opened is None:
            raise RuntimeError("S3 of asyncflow.aio is used without `async with`, or after its end")
        return self._opened.at(S3Address(bucket, ""), encryption=encryption)


def _first_of(group: BaseException) -> BaseException:
    while isinstance(group, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", group).exceptions[0]
    return group

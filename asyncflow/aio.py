"""The client for code on an event loop: the same objects, with `await`.

    from asyncflow.aio import Flow, Run

    run = await Run.open("MyFlow/42")
    if await run.successful:
        async for task in run["train"]:
            print(await task.pathspec, await task.data.score)

Every attribute, method, key and iteration of the client's objects is there under its own name. Nothing is read until it
is awaited or iterated, and what is read is read in a thread, so the loop goes on. What is a value there (a text, a
number, an artifact's content) is that value; what is an object of the client there is one of these here.

`S3` is here, too: `asyncflow.S3` with `await`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any, TypeVar, cast

import anyio.to_thread

from asyncflow.client import data, flows, runs, steps, tasks
from asyncflow.client.objects import StoreObject

if TYPE_CHECKING:
    from asyncflow.s3.aio import S3

__all__ = ["S3", "AsyncObject", "DataArtifact", "Flow", "Metaflow", "Run", "Step", "Task"]

_T = TypeVar("_T")
_OBJECTS = (StoreObject, data.RunData, flows.Metaflow)
_PAGE = 256
"""So many items of an iteration are read at once."""


async def _in_thread(work: Callable[[], _T]) -> _T:
    return await anyio.to_thread.run_sync(work)


def _wrapped(value: Any) -> Any:  # Any: what the client returned
    return AsyncObject(lambda: value) if isinstance(value, _OBJECTS) else value


class AsyncObject:
    """Something of the client that is looked at when it is awaited, called or iterated.

    Args:
        get: Gives the client's object. Blocks; called in a thread.
    """

    __slots__ = ("_get",)

    def __init__(self, get: Callable[[], Any]) -> None:  # Any: an object of the client, or a value
        self._get = get

    def __await__(self) -> Generator[Any, None, Any]:
        return self._value().__await__()

    async def _value(self) -> Any:  # Any: as above
        return _wrapped(await _in_thread(self._get))

    def __getattr__(self, name: str) -> AsyncObject:
        if name.startswith("__"):
            raise AttributeError(name)
        get = self._get
        return AsyncObject(lambda: getattr(get(), name))

    def __getitem__(self, key: object) -> AsyncObject:
        get = self._get
        return AsyncObject(lambda: get()[key])

    def __call__(self, *args: Any, **kwargs: Any) -> AsyncObject:  # Any: the method's
        get = self._get
        return AsyncObject(lambda: get()(*args, **kwargs))

    async def __aiter__(self) -> AsyncIterator[Any]:  # Any: the client's objects
        get = self._get
        iterator: Iterator[Any] = await _in_thread(lambda: iter(get()))
        while True:
            page = await _in_thread(lambda: _page(iterator))
            for item in page:
                yield _wrapped(item)
            if len(page) < _PAGE:
                return

    def __repr__(self) -> str:
        return "<not read yet: await it>"


def _page(iterator: Iterator[Any]) -> list[Any]:  # Any: the client's objects
    return [item for _, item in zip(range(_PAGE), iterator, strict=False)]


class _Kind:
    """One kind of the client's objects, by pathspec."""

    def __init__(self, kind: type[Any]) -> None:  # Any: the client's class
        self._kind = kind

    def __call__(self, *args: Any, **options: Any) -> AsyncObject:  # Any: the class's
        """Return the object of that pathspec; whether there is one is found out when it is awaited."""
        made: list[Any] = []
        kind = self._kind

        def get() -> Any:
            if not made:
                made.append(kind(*args, **options))
            return made[0]

        return AsyncObject(get)

    async def open(self, *args: Any, **options: Any) -> AsyncObject:  # Any: the class's
        """Return the object of that pathspec. Raises as the client's class does, such as NoSuchObject."""
        found = self(*args, **options)
        await found
        return found

    def __repr__(self) -> str:
        return f"asyncflow.aio.{cast('type', self._kind).__name__}"


Metaflow = _Kind(flows.Metaflow)
Flow = _Kind(flows.Flow)
Run = _Kind(runs.Run)
Step = _Kind(steps.Step)
Task = _Kind(tasks.Task)
DataArtifact = _Kind(data.DataArtifact)


def __getattr__(name: str) -> Any:  # Any: a class that not every program needs
    if name == "S3":
        from asyncflow.s3.aio import S3

        return S3
    raise AttributeError(f"module 'asyncflow.aio' has no attribute '{name}'")

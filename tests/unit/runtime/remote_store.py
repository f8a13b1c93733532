"""A store's objects whose server has a clock that the test moves."""

from __future__ import annotations

from collections.abc import Mapping

from asyncflow.store.directory import DirectoryObjects, InThreads
from asyncflow.store.objects import NO_METADATA, ObjectInfo, Received
from asyncflow.testing.clock import FakeClock

__all__ = ["Dated"]


class Dated(InThreads):
    """Objects that say when they were written, by the test's clock."""

    def __init__(self, root: str, clock: FakeClock) -> None:
        super().__init__(DirectoryObjects(root))
        self._clock = clock
        self._written: dict[str, float] = {}

    async def get(self, key: str, *, offset: int = 0, length: int | None = None) -> Received | None:
        received = await super().get(key, offset=offset, length=length)
        return None if received is None else received._replace(info=self._dated(received.info))

    async def put(
        self,
        key: str,
        data: bytes,
        *,
        content_type: str | None = None,
        metadata: Mapping[str, str] = NO_METADATA,
    ) -> None:
        await super().put(key, data)
        self._written[key] = self._clock.now()

    async def put_new(self, key: str, data: bytes) -> bool:
        is_new = await super().put_new(key, data)
        if is_new:
            self._written[key] = self._clock.now()
        return is_new

    def _dated(self, info: ObjectInfo) -> ObjectInfo:
        return info._replace(
            modified_at=self._written.get(info.key, info.modified_at), server_at=self._clock.now()
        )

"""Keeps what attempts elsewhere left: those that come while others are being written go together."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import anyio.to_thread

from asyncflow.machine.ids import Attempt
from asyncflow.store.local import LocalStore

__all__ = ["ManifestKeeping"]


class _Batch:
    """Manifests that are written together."""

    __slots__ = ("is_kept", "manifests")

    def __init__(self) -> None:
        self.manifests: list[tuple[int, int, bytes]] = []
        """Task, attempt and body."""
        self.is_kept = False


class ManifestKeeping:
    """Keeps manifests of one run in a store.

    Args:
        store: The scheduler's own.
        run: The run.
    """

    def __init__(self, store: LocalStore, run: int) -> None:
        self._store = store
        self._run = run
        self._lock = anyio.Lock()
        """Held while a batch is written."""
        self._next = _Batch()

    async def keep(self, manifests: Sequence[tuple[Attempt, bytes]]) -> None:
        """Keep manifests as they lie in a pack elsewhere; they are there when this returns.

        Cancellation: safe; they may be kept then. Raises StoreError.
        """
        if not manifests:
            return
        batch = self._next
        batch.manifests += [(attempt.task, attempt.number, body) for attempt, body in manifests]
        async with self._lock:
            if batch.is_kept:
                return
            if batch is self._next:
                self._next = _Batch()
            await anyio.to_thread.run_sync(self._store.keep_manifests, self._run, batch.manifests)
            batch.is_kept = True

"""What attempts elsewhere left is kept before anybody is told of it, and together where many have ended."""

from __future__ import annotations

import os
from pathlib import Path

import anyio
import pytest

from asyncflow.backends.remote.keeping import ManifestKeeping
from asyncflow.errors import StoreError
from asyncflow.machine.ids import Attempt
from asyncflow.store.local import LocalStore
from asyncflow.store.manifest import Manifest
from asyncflow.store.manifests import encode_manifest

WIDTH = 200


def body(task: int) -> bytes:
    return encode_manifest(Manifest(flow="F", run=1, step="work", task=task, attempt=0, is_ok=True))


class Watched(LocalStore):
    """A store that counts how often it is written."""

    writes = 0

    def keep_manifests(self, run: int, manifests: list[tuple[int, int, bytes]]) -> None:  # type: ignore[override]
        self.writes += 1
        super().keep_manifests(run, manifests)


async def test_each_is_there_when_its_call_returns_and_many_are_written_at_once(tmp_path: Path) -> None:
    store = Watched(str(tmp_path))
    kept = ManifestKeeping(store, 1)

    async def keep(task: int) -> None:
        await kept.keep([(Attempt(task, 0), body(task))])
        assert LocalStore(str(tmp_path)).manifest_bytes(1, task, 0) == body(task)

    async with anyio.create_task_group() as group:
        for task in range(WIDTH):
            group.start_soon(keep, task)

    assert 1 <= store.writes < WIDTH / 4


async def test_what_cannot_be_written_fails_for_everybody_who_waits(tmp_path: Path) -> None:
    kept = ManifestKeeping(LocalStore(str(tmp_path / "gone")), 1)
    (tmp_path / "gone").write_bytes(b"no directory")
    failed: list[int] = []

    async def keep(task: int) -> None:
        try:
            await kept.keep([(Attempt(task, 0), body(task))])
        except StoreError:
            failed.append(task)

    async with anyio.create_task_group() as group:
        for task in range(10):
            group.start_soon(keep, task)

    assert sorted(failed) == list(range(10))
    os.unlink(tmp_path / "gone")
    await kept.keep([(Attempt(3, 0), body(3))])


async def test_who_is_cancelled_takes_nobody_with_it(tmp_path: Path) -> None:
    kept = ManifestKeeping(LocalStore(str(tmp_path)), 1)

    async with anyio.create_task_group() as group:
        with anyio.CancelScope() as scope:
            scope.cancel()
            with pytest.raises(anyio.get_cancelled_exc_class()):
                await kept.keep([(Attempt(1, 0), body(1))])
        for task in range(2, 20):
            group.start_soon(kept.keep, [(Attempt(task, 0), body(task))])

    store = LocalStore(str(tmp_path))
    assert all(store.has_manifest(1, task, 0) for task in range(2, 20))


async def test_several_of_one_call_are_written_at_once(tmp_path: Path) -> None:
    store = Watched(str(tmp_path))
    kept = ManifestKeeping(store, 1)

    await kept.keep([(Attempt(task, 0), body(task)) for task in range(WIDTH)])
    await kept.keep([])

    assert store.writes == 1
    assert all(store.has_manifest(1, task, 0) for task in range(WIDTH))

"""Is everything there that finished tasks left in the store? Looks only."""

from __future__ import annotations

from collections.abc import Iterator

from asyncflow.errors import StoreError
from asyncflow.events.reader import Reader
from asyncflow.events.rows import TaskRow, TaskStatus
from asyncflow.machine.ids import PARAMETERS_TASK
from asyncflow.records import field, record
from asyncflow.store.fetching import objects_of
from asyncflow.store.local import LocalStore
from asyncflow.store.manifest import PARAMETERS_STEP, Manifest
from asyncflow.store.s3.keys import BLOBS

__all__ = ["Health", "Loss", "check_artifacts"]

_GOOD = (TaskStatus.SUCCEEDED, TaskStatus.CAUGHT, TaskStatus.CLONED)


@record(kw_only=False)
class Loss:
    """Something that a task left and that is not to be had any more."""

    path: str
    """`42/train/7`."""
    what: str


@record(frozen=False, kw_only=False)
class Health:
    """What was looked at, and what is lost."""

    manifests: int = 0
    blobs: int = 0
    losses: list[Loss] = field(default_factory=list[Loss])


def check_artifacts(store: LocalStore, reader: Reader, *, is_thorough: bool) -> Health:
    """Look at the manifest and the blobs of every task that succeeded, of all runs.

    Blocking: reads every manifest.

    Args:
        store: Where they are.
        reader: Tells which tasks there are.
        is_thorough: Read every blob, and compare it with its digest, instead of seeing only that it is there.

    Raises:
        StoreError: The event log cannot be read.
    """
    health = Health()
    seen: dict[str, str] = dict.fromkeys(_in_bucket(store, is_thorough=is_thorough), "")
    for run in reader.runs():
        if store.has_manifest(run.run, PARAMETERS_TASK, 0):
            _check_parameters(store, run.run, health, seen, is_thorough=is_thorough)
        for task in reader.tasks(run.run):
            if task.status in _GOOD:
                _check_task(store, task, health, seen, is_thorough=is_thorough)
    return health


def _in_bucket(store: LocalStore, *, is_thorough: bool) -> Iterator[str]:
    """Yield the blobs that need not be here, as they are in the bucket that the store stands for."""
    objects = None if is_thorough else objects_of(store.root)
    for info in objects.list(BLOBS) if objects is not None else ():
        yield info.key.removeprefix(BLOBS).replace("/", "")


def _check_parameters(
    store: LocalStore, run: int, health: Health, seen: dict[str, str], *, is_thorough: bool
) -> None:
    path = f"{run}/{PARAMETERS_STEP}"
    try:
        manifest = store.read_manifest(run, PARAMETERS_TASK, 0)
    except StoreError as error:
        health.losses.append(Loss(path, error.message))
        return
    _check_blobs(store, path, manifest, health, seen, is_thorough=is_thorough)


def _check_task(
    store: LocalStore, task: TaskRow, health: Health, seen: dict[str, str], *, is_thorough: bool
) -> None:
    path = f"{task.run}/{task.step}/{task.task}"
    try:
        manifest = store.read_manifest(*task.key)
    except StoreError as error:
        health.losses.append(Loss(path, error.message))
        return
    health.manifests += 1
    _check_blobs(store, path, manifest, health, seen, is_thorough=is_thorough)


def _check_blobs(
    store: LocalStore,
    path: str,
    manifest: Manifest,
    health: Health,
    seen: dict[str, str],
    *,
    is_thorough: bool,
) -> None:
    for name, digest in _blobs_of(manifest):
        if digest not in seen:
            seen[digest] = _fault_of(store, digest, is_thorough=is_thorough)
            health.blobs += 1
        if seen[digest]:
            health.losses.append(Loss(path, f"{name}: {seen[digest]}"))


def _blobs_of(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Yield name and digest of what lies outside the manifest."""
    for name, artifact in manifest.artifacts.items():
        if artifact.inline is None:
            yield f"artifact {name}", artifact.digest
    if manifest.items is not None:
        yield "the items of its foreach", manifest.items.digest
    if manifest.code is not None:
        yield "its code", manifest.code
    for card in manifest.cards:
        if card.inline is None:
            yield f"card {card.type}", card.digest


def _fault_of(store: LocalStore, digest: str, *, is_thorough: bool) -> str:
    """Say what is wrong with a blob; empty when nothing is."""
    if not store.has_blob(digest):
        return f"blob {digest} is missing"
    if is_thorough:
        try:
            store.verify_blob(digest)
        except StoreError as error:
            return error.message
    return ""

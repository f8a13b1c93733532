"""What a task's result was made of, as a key by which later tasks find it (@cache)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, overload

from asyncflow.store.local import LocalStore
from asyncflow.store.manifest import Manifest
from asyncflow.store.memos import Memo, note
from asyncflow.store.reads import Given, is_ignored, key_of
from asyncflow.worker.binding import Binding
from asyncflow.worker.inputs import Inputs, manifest_of
from asyncflow.worker.spec import CacheSpec, RunSpec, TaskSpec

__all__ = ["given_to", "note_result"]


def given_to(
    store: LocalStore,
    binding: Binding,
    run_spec: RunSpec,
    spec: TaskSpec,
    values: Mapping[str, Any],  # Any: what `current` shows
) -> Given:
    """Return what a task begins with, to tell the digests of what it reads."""
    inputs = None if binding.inputs is None else _Manifests(binding.inputs)
    return Given(store, binding.begun, binding.frames, inputs, _texts(run_spec, spec, values))


def note_result(cache: CacheSpec, manifest: Manifest, given: Given) -> None:
    """Note a result for those who come later. Raises StoreError."""
    counted = tuple(read for read in manifest.reads if not is_ignored(read, cache.ignore))
    memo = Memo(manifest.run, manifest.task, manifest.attempt, manifest.ended_at)
    note(given.store.root, cache.base, key_of(cache.base, counted, given), memo, counted)


class _Manifests(Sequence[Manifest]):
    """The manifests of a join's inputs, read when they are asked for."""

    def __init__(self, inputs: Inputs) -> None:
        self._inputs = inputs

    def __len__(self) -> int:
        return len(self._inputs)

    @overload
    def __getitem__(self, index: int) -> Manifest: ...

    @overload
    def __getitem__(self, index: slice) -> list[Manifest]: ...

    def __getitem__(self, index: int | slice) -> Manifest | list[Manifest]:
        if isinstance(index, slice):
            return [manifest_of(branch) for branch in self._inputs[index]]
        return manifest_of(self._inputs[index])


def _texts(
    run_spec: RunSpec, spec: TaskSpec, values: Mapping[str, Any]
) -> Callable[[str], str]:  # Any: as above
    def text(name: str) -> str:
        if name == "task":
            return f"{run_spec.run}/{spec.attempt.task}"
        if name == "run":
            return str(run_spec.run)
        if name == "trigger":
            return repr(run_spec.triggers)
        if name == "tags":
            return repr(sorted(run_spec.tags))
        value = values.get(name)
        return repr(value() if callable(value) else value)

    return text

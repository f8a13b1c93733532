"""What a task's result was made of, as a key by which later tasks find it (@cache)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, overload

from asyncflow.store.local import LocalStore
from asyncflow.store.manifest import Manifest
from asyncflow.store.memos import Memo, note
from asyncflow.store.pickling import watch_names
from asyncflow.store.reads import ABSENT, Given, is_ignored, key_of, name_of
from asyncflow.worker.binding import Binding
from asyncflow.worker.inputs import Inputs, manifest_of
from asyncflow.worker.named_files import stamp_of
from asyncflow.worker.spec import CacheSpec, RunSpec, TaskSpec

__all__ = ["given_to", "names_of_values", "note_result"]


def given_to(
    store: LocalStore,
    binding: Binding,
    run_spec: RunSpec,
    spec: TaskSpec,
    values: Mapping[str, Any],  # Any: what `current` shows
    flow_class: type,
) -> Given:
    """Return what a task begins with, to tell the digests of what it reads."""
    inputs = None if binding.inputs is None else _Manifests(binding.inputs)
    texts = _texts(run_spec, spec, values)
    return Given(store, binding.begun, binding.frames, inputs, texts, partial(_code, flow_class))


def note_result(cache: CacheSpec, manifest: Manifest, given: Given) -> None:
    """Note a result for those who come later, unless it cannot be said what it was made of. Raises StoreError."""
    if any(stamp_of(path) != stamp for path, stamp in cache.files):
        return  # a file that it is to depend on has changed since it was looked at
    reads = [name_of(read) for read in manifest.reads]
    if any(given.code(read[5:]) == ABSENT for read in reads if read.startswith("code.")):
        return
    counted = tuple(read for read in reads if not is_ignored(read, cache.ignore))
    memo = Memo(manifest.run, manifest.task, manifest.attempt, manifest.ended_at)
    note(given.store.root, cache.base, key_of(cache.base, counted, given), memo, counted)


def names_of_values(flow_class: type) -> Iterator[str]:
    """Yield the user's classes and functions that what was read was made of, with the digests of their code."""
    from asyncflow.flow.sources import is_users_place

    watch = watch_names()
    for module, name in sorted(watch.names):
        path = getattr(sys.modules.get(module), "__file__", None)
        if isinstance(path, str) and is_users_place(path):
            code = f"{module}:{name if module in watch.modules else ''}"
            yield f"code.{code}={_code(flow_class, code)}"


@lru_cache(maxsize=256)
def _code(flow_class: type, name: str) -> str:
    from asyncflow.flow.reach import (
        code_of,
    )  # compiles the user's files; few tasks read objects of their classes

    return code_of(flow_class, name) or ABSENT


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

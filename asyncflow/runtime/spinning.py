"""`spin`: one step again, with what an earlier task of it began with, in a store of its own.

A run of one task whose graph is that step alone. In front of its backend stands `SpunBackend`, which gives the task the
inputs that were copied from the earlier run.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

import anyio.to_thread

from asyncflow.backends.base import Backend, Capabilities
from asyncflow.client.lineage import Lineage
from asyncflow.errors import UserError
from asyncflow.events.reader import Reader
from asyncflow.events.rows import TaskRow
from asyncflow.machine.facts import Fact
from asyncflow.machine.graph import Graph, RetryPolicy, StepNode, Transition
from asyncflow.machine.ids import Attempt, Frame, ManifestKey
from asyncflow.records import record, replace
from asyncflow.store.layout import blob_path
from asyncflow.store.local import LocalStore
from asyncflow.store.manifest import Manifest
from asyncflow.store.sweep import digests_of
from asyncflow.worker.spec import TaskSpec

__all__ = ["Spun", "SpunBackend", "begun_with", "only_step"]

_COPIES_FROM = 1_000_000
"""Numbers of copied tasks, out of the way of the one that runs."""


@record
class Spun:
    """What a task begins with."""

    home: str
    """The store it began in."""
    inputs: Sequence[ManifestKey]
    """One manifest; for a join one for each branch."""
    split: ManifestKey | None = None
    """For a join."""
    index: int | None = None
    width: int | None = None
    path: tuple[int, ...] = ()
    iteration: int = 0
    artifacts: Mapping[str, Any] | Sequence[Mapping[str, Any]] = ()  # Any: the user's objects
    """To be seen in place of what was there: by name; for a join one mapping for each branch."""


def only_step(graph: Graph, step: str) -> Graph:
    """Return a graph of one step: run once, without retries, and nothing after it."""
    node = graph.steps[step]
    alone: StepNode = replace(
        node, transition=Transition.END, next=(), closes=None, retry=RetryPolicy(), catches=False, permits=()
    )
    return Graph(flow=graph.flow, start=step, end=step, steps={step: alone})


def begun_with(
    reader: Reader,
    home: str,
    run: int,
    task: TaskRow,
    *,
    artifacts: Mapping[str, Any] | Sequence[Mapping[str, Any]] = (),  # Any: the user's objects
) -> Spun:
    """Find out what a task began with. Blocks. Raises StoreError."""
    path = tuple(int(part) for part in task.path.split(",")) if task.path else ()
    if task.closes is not None:
        parents = Lineage(reader.tasks(run)).parents(task.task)
        inputs = [] if [one.task for one in parents] == [task.closes] else [one.key for one in parents]
        return Spun(home=home, inputs=inputs, split=task.parent, path=path, artifacts=artifacts)
    split = None if task.scope is None else reader.task(run, task.scope)
    return Spun(
        home=home,
        inputs=[task.parent],
        index=None if split is None else task.position,
        width=None if split is None else split.width,
        path=path,
        iteration=task.iteration,
        artifacts=artifacts,
    )


class SpunBackend:
    """A backend that runs one task from inputs of another store (`asyncflow.backends.base.Backend`)."""

    def __init__(self, inner: Backend, spun: Spun, home: str) -> None:
        self._inner = inner
        self._spun = spun
        self._home = home

    @property
    def capabilities(self) -> Capabilities:
        """What the place where attempts run can do."""
        return self._inner.capabilities

    async def launch(self, spec: TaskSpec) -> None:
        """Copy the inputs, and start the attempt with them. See `Backend.launch`."""
        await self._inner.launch(await anyio.to_thread.run_sync(_with_inputs, spec, self._spun, self._home))

    async def stop(self, attempt: Attempt, *, force: bool) -> None:
        """Ask or force an attempt to end. See `Backend.stop`."""
        await self._inner.stop(attempt, force=force)

    def facts(self) -> AsyncGenerator[Sequence[Fact], None]:
        """Yield what happens to all attempts. See `Backend.facts`."""
        return self._inner.facts()

    async def adopt(self, attempts: Sequence[Attempt]) -> Sequence[Fact]:
        """Say what became of attempts of a dead driver. See `Backend.adopt`."""
        return await self._inner.adopt(attempts)

    async def aclose(self) -> None:
        """Kill what still runs. See `Backend.aclose`."""
        await self._inner.aclose()


def _with_inputs(spec: TaskSpec, spun: Spun, home: str) -> TaskSpec:
    """Copy what the task begins with into the store it runs in. Raises StoreError."""
    source, target = LocalStore(spun.home), LocalStore(home)
    several = _by_input(spun)
    inputs = [
        _copied(source, target, key, ManifestKey(spec.run, _COPIES_FROM + at, 0), several[at])
        for at, key in enumerate(spun.inputs)
    ]
    split = spun.split
    if split is not None:
        split = _copied(source, target, split, ManifestKey(spec.run, _COPIES_FROM + len(inputs), 0), {})
    frames = tuple(Frame(0, index) for index in spun.path)
    return replace(
        spec,
        inputs=inputs,
        split=split,
        index=spun.index,
        width=spun.width,
        frames=frames,
        iteration=spun.iteration,
    )


def _by_input(spun: Spun) -> Sequence[Mapping[str, Any]]:  # Any: the user's objects
    given, count = spun.artifacts, len(spun.inputs)
    if isinstance(given, Mapping):
        return [given] * count
    if given and len(given) != count:
        raise UserError(f"ARTIFACTS has {len(given)} inputs, and the task has {count}")
    nothing: Mapping[str, Any] = {}
    return given or [nothing] * count


def _copied(
    source: LocalStore,
    target: LocalStore,
    key: ManifestKey,
    to: ManifestKey,
    artifacts: Mapping[str, Any],  # Any: the user's objects
) -> ManifestKey:
    manifest = source.read_manifest(*key)
    for digest in digests_of(manifest):
        _link(blob_path(source.root, digest), blob_path(target.root, digest))
    records = {name: target.dump(value, name=name) for name, value in artifacts.items()}
    changed: Manifest = manifest._replace(
        run=to.run, task=to.task, attempt=to.attempt, artifacts={**manifest.artifacts, **records}
    )
    target.write_manifest(changed)
    return to


def _link(path: str, to: str) -> None:
    """Let a blob, which nobody writes to, be in the other store, too. One that is missing is told when it is read."""
    os.makedirs(os.path.dirname(to), mode=0o700, exist_ok=True)
    try:
        os.link(path, to)
    except (FileExistsError, FileNotFoundError):
        return
    except OSError:  # another file system
        shutil.copyfile(path, to)

"""What a flow object asks of the task it runs in: inherited artifacts, foreach item, merge."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from asyncflow.flow.errors import MergeError
from asyncflow.machine.ids import ManifestKey
from asyncflow.store.local import LocalStore
from asyncflow.store.manifest import ArtifactRecord, FrameRecord, Manifest
from asyncflow.worker.frames import Frames, frames_below
from asyncflow.worker.inputs import Inputs, note_merge, reads_of
from asyncflow.worker.merge import merged_artifacts
from asyncflow.worker.spec import TaskSpec

__all__ = ["Binding", "Origins"]

_SCALARS = (int, float, str, bytes, bool, type(None))


class Binding:
    """A task as its flow object sees it (`asyncflow.flow.binding.TaskBinding`)."""

    __slots__ = ("_begun", "_frames", "_read", "_scalars", "_store", "frames", "inherited", "inputs")

    def __init__(
        self,
        store: LocalStore,
        inherited: dict[str, ArtifactRecord],
        frames: tuple[FrameRecord, ...],
        gangs: frozenset[str],
        inputs: Inputs | None,
    ) -> None:
        self._store = store
        self.inherited = inherited
        """What the task begins with, by name; `merge_artifacts` adds to it."""
        self.frames = frames
        self.inputs = inputs
        """None: the step is no join."""
        self._frames = Frames(store, frames, gangs)
        self._scalars: dict[str, object] = {}
        self._read: dict[str, None] = {}
        self._begun: dict[str, ArtifactRecord] | None = None

    @property
    def input(self) -> Any:  # Any: the user's object
        """The foreach item of the innermost foreach level; None outside a foreach."""
        self._read["input"] = None
        return self._frames.input

    @property
    def index(self) -> int | None:
        """Index in the innermost foreach; None outside a foreach."""
        self._read["index"] = None
        return self._frames.index

    def load(self, name: str) -> Any:  # Any: the user's object
        """Return an inherited artifact or parameter. Raises KeyError if there is none, StoreError if it is damaged."""
        if self._begun is None or name in self._begun or name not in self.inherited:
            self._read[name] = None
        value = self._store.load(self.inherited[name], name=name)
        if type(value) in _SCALARS:
            self._scalars[name] = value
        return value

    def fetch(self) -> None:
        """Read beforehand what the step is likely to ask for, if it is little: its foreach item."""
        self._frames.fetch()

    def names(self) -> Iterable[str]:
        """Names of the inherited artifacts."""
        return self.inherited.keys()

    def foreach_stack(self) -> list[tuple[int, int, Any]]:
        """(index, number of splits, value) per foreach level, outermost first."""
        self._read["foreach_stack"] = None
        return self._frames.stack()

    @property
    def begun(self) -> dict[str, ArtifactRecord]:
        """What the task began with, without what it merged since."""
        return self.inherited if self._begun is None else self._begun

    def reads(self) -> list[str]:
        """Return what the step read until now, sorted; see `asyncflow.store.reads`."""
        found = [f"self.{name}" for name in self._read]
        if self.inputs is not None:
            found += reads_of(self.inputs)
        return sorted(found)

    def merge(
        self,
        flow: Any,  # Any: a FlowSpec
        inputs: Sequence[Any],  # Any: what the user passed
        *,
        include: Sequence[str],
        exclude: Sequence[str],
    ) -> None:
        """Take over what the branches agree on. Raises the merge errors, and then has taken nothing."""
        if self.inputs is None:
            raise MergeError(
                "merge_artifacts was called in a step that is no join",
                hint="Call it in a step that takes inputs: def join(self, inputs).",
            )
        taken = {**flow.__dict__, **self.inherited}
        merged = merged_artifacts(inputs, taken=taken, include=include, exclude=exclude)
        note_merge(inputs, include, [*exclude, *taken])
        if self._begun is None:
            self._begun = dict(self.inherited)
        self.inherited |= _as_inherited(merged)

    def is_untouched(self, name: str, value: object) -> bool:
        """Say whether a value is what was loaded under that name and cannot have been changed in place."""
        return value is self._scalars.get(name, self)


class Origins:
    """Reads the manifests that attempts start from. Remembers the last two: the children of a split share theirs."""

    __slots__ = ("_read", "store")

    def __init__(self, store: LocalStore) -> None:
        self.store = store
        self._read: dict[ManifestKey, _Origin] = {}

    def bind(
        self, flow_class: type, spec: TaskSpec, parameters: ManifestKey, gangs: frozenset[str]
    ) -> Binding:
        """Return what a task begins with: its parent's artifacts, or for a join the parameters' and its inputs.

        Raises StoreError if a manifest is missing or damaged.
        """
        if spec.split is None:
            parent = self._origin(spec.inputs[0])
            frames = frames_below(parent.manifest, spec.index, spec.width)
            binding = Binding(self.store, dict(parent.artifacts), frames, gangs, None)
            binding.fetch()
            return binding
        inputs = Inputs(flow_class, self.store, spec.inputs, gangs)
        begun = self._origin(parameters)
        frames = self._origin(spec.split).manifest.frames
        return Binding(self.store, dict(begun.artifacts), frames, gangs, inputs)

    def _origin(self, key: ManifestKey) -> _Origin:
        origin = self._read.get(key)
        if origin is None:
            manifest = self.store.read_manifest(*key)
            if len(self._read) > 1:
                del self._read[next(iter(self._read))]
            origin = self._read[key] = _Origin(manifest, _as_inherited(manifest.artifacts))
        return origin


class _Origin(NamedTuple):
    """A manifest, and its artifacts as those who start from it inherit them."""

    manifest: Manifest
    artifacts: dict[str, ArtifactRecord]


def _as_inherited(artifacts: dict[str, ArtifactRecord]) -> dict[str, ArtifactRecord]:
    return {
        name: record._replace(is_new=False) if record.is_new else record for name, record in artifacts.items()
    }

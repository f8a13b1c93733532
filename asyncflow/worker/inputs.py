"""What a join gets as `inputs`: its branches in order, each read when it is first asked for something."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from types import FunctionType, MethodType
from typing import Any, NoReturn, overload

from asyncflow.machine.ids import ManifestKey
from asyncflow.store.local import LocalStore
from asyncflow.store.manifest import Manifest
from asyncflow.store.reads import of_inputs
from asyncflow.worker.frames import Frames

__all__ = ["Input", "Inputs", "manifest_of", "note_merge", "reads_of"]

_SOURCE = "__asyncflow_source__"  # no name a user gives an artifact
_NO_PICKLE = (
    "Flows can't be serialized. Maybe you are trying to store one of the `inputs` in an attribute? "
    "Store the attributes of it that you need, such as self.x = inputs[0].x"
)


class _Common:
    """What the branches of a join share, and what was read of them."""

    __slots__ = ("_read", "flow_class", "gangs", "store")

    def __init__(self, flow_class: type, store: LocalStore, gangs: frozenset[str]) -> None:
        self.flow_class = flow_class
        self.store = store
        self.gangs = gangs
        self._read: dict[str, dict[int, None]] = {}

    def note(self, name: str, position: int) -> None:
        read = self._read.get(name)
        if read is None:
            read = self._read[name] = {}
        read[position] = None

    def reads(self, width: int) -> list[str]:
        return ["inputs", *(of_inputs(name, read, width) for name, read in self._read.items())]


class _Source:
    """Where a branch's artifacts come from; its manifest is read once, when first asked for."""

    __slots__ = ("_common", "_manifest", "key", "position")

    def __init__(self, common: _Common, position: int, key: ManifestKey) -> None:
        self._common = common
        self.position = position
        self.key = key
        self._manifest: Manifest | None = None

    @property
    def flow_class(self) -> type:
        return self._common.flow_class

    @property
    def store(self) -> LocalStore:
        return self._common.store

    def note(self, name: str) -> None:
        """Note that something of the branch is read."""
        self._common.note(name, self.position)

    @property
    def manifest(self) -> Manifest:
        if self._manifest is None:
            self._manifest = self.store.read_manifest(*self.key)
        return self._manifest

    @property
    def frames(self) -> Frames:
        return Frames(self.store, self.manifest.frames, self._common.gangs)


class Input:
    """The flow as one branch left it: its artifacts, parameters, constants, methods. Read-only."""

    def __init__(self, source: _Source) -> None:
        self.__dict__[_SOURCE] = source

    @property
    def index(self) -> int | None:
        """Its position in the innermost foreach; None outside a foreach."""
        source = _source_of(self)
        source.note("index()")
        return source.frames.index

    @property
    def input(self) -> Any:  # Any: the user's object
        """Its item of the innermost foreach; None outside a foreach."""
        source = _source_of(self)
        source.note("input()")
        return source.frames.input

    def foreach_stack(self) -> list[tuple[int, int, Any]]:  # Any: the user's objects
        """Return (index, number of splits, value) of each foreach around it, outermost first."""
        source = _source_of(self)
        source.note("foreach_stack()")
        return source.frames.stack()

    @property
    def name(self) -> str:
        """Name of the flow."""
        return _source_of(self).flow_class.__name__

    def __getattr__(self, name: str) -> Any:  # Any: the user's object
        if name.startswith("__"):
            raise AttributeError(name)
        source = _source_of(self)
        source.note(name)
        record = source.manifest.artifacts.get(name)
        if record is not None:
            value = self.__dict__[name] = source.store.load(record, name=name)
            return value
        for owner in source.flow_class.__mro__:
            if name in owner.__dict__:
                return self._of_class(name, owner.__dict__[name])
        raise AttributeError(
            f"Flow {source.flow_class.__name__} has no attribute '{name}' in the input from step "
            f"{source.manifest.step} (task {source.key.task}): that branch did not set it",
            name=name,
        )

    def _of_class(self, name: str, attribute: Any) -> Any:  # Any: whatever the class holds
        if isinstance(attribute, FunctionType):
            return MethodType(attribute, self)
        if isinstance(attribute, property) and attribute.fget is not None:
            return attribute.fget(self)
        return getattr(_source_of(self).flow_class, name)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"inputs are read-only: set self.{name} instead", name=name)

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"inputs are read-only: '{name}' cannot be deleted", name=name)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(_NO_PICKLE)

    def __repr__(self) -> str:
        source = _source_of(self)
        return f"<input of {source.flow_class.__name__}, task {source.key.task}>"


def _source_of(branch: Input) -> _Source:
    source: _Source = branch.__dict__[_SOURCE]
    return source


def manifest_of(branch: Input) -> Manifest:
    """Return a branch's manifest. Raises StoreError."""
    return _source_of(branch).manifest


def note_merge(inputs: Iterable[object], include: Sequence[str], exclude: Iterable[str]) -> None:
    """Note that artifacts of branches are taken over: some by name, or all but some."""
    names = include or [f"*!{','.join(sorted(dict.fromkeys(exclude)))}"]
    for branch in inputs:
        if isinstance(branch, Input):
            for name in names:
                _source_of(branch).note(name)


def reads_of(inputs: Inputs) -> list[str]:
    """Return what was read of a join's inputs; see `asyncflow.store.reads`."""
    return inputs._common.reads(len(inputs))  # pyright: ignore[reportPrivateUsage] - a step may be called as a method


class Inputs(Sequence[Input]):
    """The branches of a join: of a foreach by index, of a static split in the order of `self.next`.

    `inputs.train` is the (last) branch that came from step `train`.
    """

    def __init__(
        self, flow_class: type, store: LocalStore, keys: Sequence[ManifestKey], gangs: frozenset[str]
    ) -> None:
        self._common = _Common(flow_class, store, gangs)
        self._keys = keys
        self._made: dict[int, Input] = {}

    def __len__(self) -> int:
        return len(self._keys)

    @overload
    def __getitem__(self, index: int) -> Input: ...

    @overload
    def __getitem__(self, index: slice) -> list[Input]: ...

    def __getitem__(self, index: int | slice) -> Input | list[Input]:
        if isinstance(index, slice):
            return [self._at(position) for position in range(len(self._keys))[index]]
        try:
            return self._at(range(len(self._keys))[index])
        except IndexError:
            raise IndexError(f"inputs[{index}]: the join has {len(self._keys)} inputs") from None

    def __iter__(self) -> Iterator[Input]:
        return (self._at(position) for position in range(len(self._keys)))

    def __getattr__(self, step: str) -> Input:
        if step.startswith("_"):
            raise AttributeError(step)
        found: dict[str, None] = {}
        for position in range(len(self._keys) - 1, -1, -1):
            self._common.note("step()", position)
            branch = self._at(position)
            came_from = manifest_of(branch).step
            if came_from == step:
                return branch
            found[came_from] = None
        known = ", ".join(reversed(found)) or "none, it has no inputs"
        raise AttributeError(
            f"No input of this join came from step '{step}'; they came from: {known}", name=step
        )

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(_NO_PICKLE)

    def __repr__(self) -> str:
        return f"<{len(self._keys)} inputs>"

    def _at(self, position: int) -> Input:
        branch = self._made.get(position)
        if branch is None:
            key = self._keys[position]
            branch = self._made[position] = Input(_Source(self._common, position, key))
        return branch

"""What all objects of the client are: something in a store, named by a path of one to five parts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar, Generic, Self, TypeVar

from asyncflow.client.errors import InvalidPathspec, NamespaceMismatch, NoSuchObject
from asyncflow.client.html import table_of
from asyncflow.client.place import Place, current_place, get_namespace, place_at
from asyncflow.events.rows import RunRow

__all__ = ["Container", "StoreObject", "find_run", "kinds", "local_time", "numbered"]

_KINDS = ("flow", "run", "step", "task", "artifact")
_EXAMPLE = "Flow/42/train/7/model"
Child = TypeVar("Child", bound="StoreObject")


class StoreObject(ABC):
    """Something in a store, by its pathspec.

    Args:
        pathspec: `Flow`, `Flow/42`, `Flow/42/step`, `Flow/42/step/7` or `Flow/42/step/7/artifact`, as the class asks.
        attempt: Of tasks and artifacts, which attempt is meant. None: the last.
        _namespace_check: False: it may be outside of the namespace.
        _place: The store. None: the current one.

    Raises:
        InvalidPathspec: It has another number of parts.
        NoSuchObject: There is no such thing.
        NamespaceMismatch: It is outside of the current namespace; see `namespace`.
    """

    DEPTH: ClassVar[int]
    """How many parts the pathspec has."""

    def __init__(
        self,
        pathspec: str,
        attempt: int | None = None,
        *,
        _namespace_check: bool = True,
        _place: Place | None = None,
    ) -> None:
        parts = str(pathspec).strip("/").split("/")
        kind = _KINDS[self.DEPTH - 1]
        if len(parts) != self.DEPTH or not all(parts):
            example = "/".join(_EXAMPLE.split("/")[: self.DEPTH])
            raise InvalidPathspec(
                f"'{pathspec}' names no {kind}", hint=f"A {kind}'s pathspec looks like {example}."
            )
        self._parts: tuple[str, ...] = tuple(parts)
        self._attempt = attempt
        self._namespace = get_namespace() if _namespace_check else None
        self._is_checked = _namespace_check
        self._place = current_place() if _place is None else _place
        self._find()
        if _namespace_check and not self.is_in_namespace():
            raise NamespaceMismatch(
                f"'{pathspec}' is not in the namespace '{get_namespace()}'",
                hint="Look at all runs: namespace(None). Or at somebody's: namespace('user:NAME').",
            )

    @abstractmethod
    def _find(self) -> None:
        """Raise NoSuchObject if there is no such thing."""

    def _run_row(self) -> RunRow:
        return find_run(self._place, self._parts[0], self._parts[1])

    @property
    def id(self) -> str:
        """The last part of the pathspec."""
        return self._parts[-1]

    @property
    def place(self) -> Place:
        """The store that it is in."""
        return self._place

    @property
    def pathspec(self) -> str:
        """Names it in this store."""
        return "/".join(self._parts)

    @property
    def path_components(self) -> list[str]:
        """The parts of the pathspec."""
        return list(self._parts)

    @property
    def parent(self) -> StoreObject | None:
        """What it belongs to: a task's step, a step's run. None for a flow."""
        if self.DEPTH == 1:
            return None
        kind = kinds()[self.DEPTH - 2]
        return kind("/".join(self._parts[:-1]), _namespace_check=False, _place=self._place)

    @property
    def tags(self) -> frozenset[str]:
        """All tags of its run."""
        return self.user_tags | self.system_tags

    @property
    def user_tags(self) -> frozenset[str]:
        """The tags its run was given by people."""
        return self._tags(is_system=False)

    @property
    def system_tags(self) -> frozenset[str]:
        """The tags its run has by itself: user, date, versions."""
        return self._tags(is_system=True)

    def _tags(self, *, is_system: bool) -> frozenset[str]:
        if self.DEPTH == 1:
            return frozenset()
        rows = self._place.reader.tags(int(self._parts[1]))
        return frozenset(row.tag for row in rows if row.is_system == is_system)

    @property
    @abstractmethod
    def created_at(self) -> datetime:
        """When it came to be, in local time without a zone."""

    @property
    def origin_pathspec(self) -> str | None:
        """What it was taken over from when a run was resumed; None: it is new."""
        return None

    def is_in_namespace(self) -> bool:
        """Say whether its run has the tag that is the current namespace; for a flow, whether any of its runs has."""
        wanted = get_namespace()
        if wanted is None:
            return True
        if self.DEPTH == 1:
            return bool(self._place.reader.runs(flow=self._parts[0], tags=(wanted,), limit=1))
        return wanted in self.tags

    def __repr__(self) -> str:
        return f"{type(self).__name__}('{self.pathspec}')"

    def _summary(self) -> list[tuple[str, object]]:
        """What a notebook shows, by name."""
        return [("pathspec", self.pathspec), ("created", self.created_at)]

    def _repr_html_(self) -> str:
        return table_of(type(self).__name__, self._summary())

    def __getstate__(self) -> dict[str, Any]:
        return {
            "version": "1",
            "pathspec": self.pathspec,
            "attempt": self._attempt,
            "metadata": self._place.home,
            "namespace": self._namespace,
            "namespace_check": self._is_checked,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._parts = tuple(state["pathspec"].split("/"))
        self._attempt = state["attempt"]
        self._namespace, self._is_checked = state["namespace"], state["namespace_check"]
        self._place = place_at(state["metadata"])
        self._find()

    def __deepcopy__(self, memo: object) -> Self:
        copy = object.__new__(type(self))
        copy.__setstate__(self.__getstate__())
        return copy


class Container(StoreObject, Generic[Child]):
    """Something that has parts: iterating gives them newest first, `[id]` gives one."""

    @abstractmethod
    def __iter__(self) -> Iterator[Child]:
        """Yield the parts, newest first."""

    @abstractmethod
    def _child(self, name: str) -> Child:
        """Return a part. Raises NoSuchObject."""

    def __getitem__(self, name: object) -> Child:
        try:
            return self._child(str(name))
        except (NoSuchObject, InvalidPathspec) as error:
            raise KeyError(name) from error

    def __contains__(self, name: object) -> bool:
        try:
            self._child(str(name))
        except (NoSuchObject, InvalidPathspec, NamespaceMismatch):
            return False
        return True


def kinds() -> tuple[type[StoreObject], ...]:
    """Return the classes by the length of their pathspecs."""
    from asyncflow.client.data import DataArtifact
    from asyncflow.client.flows import Flow
    from asyncflow.client.runs import Run
    from asyncflow.client.steps import Step
    from asyncflow.client.tasks import Task

    return (Flow, Run, Step, Task, DataArtifact)


def find_run(place: Place, flow: str, run: str) -> RunRow:
    """Return a run's row. Raises NoSuchObject."""
    row = place.reader.run(numbered(run)) if numbered(run) >= 0 else None
    if row is None or row.flow != flow:
        hint = "List them: asyncflow runs"
        raise NoSuchObject(
            f"There is no run '{flow}/{run}'", hint=f"Run {run} is of {row.flow}. {hint}" if row else hint
        )
    return row


def numbered(text: str) -> int:
    """Return the number a part of a pathspec is; -1 if it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else -1


def local_time(at: float) -> datetime:
    """Return seconds since the epoch as local time without a zone."""
    return datetime.fromtimestamp(at)

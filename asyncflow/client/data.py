"""An artifact of a task, and all of them by attribute."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from asyncflow.client.errors import NoSuchObject
from asyncflow.client.objects import StoreObject
from asyncflow.errors import StoreError
from asyncflow.store.manifest import ArtifactRecord

if TYPE_CHECKING:
    from asyncflow.client.tasks import Task

__all__ = ["DataArtifact", "RunData", "is_public"]


class DataArtifact(StoreObject):
    """One artifact of a task. Its value is loaded when it is asked for."""

    DEPTH = 5

    def _find(self) -> None:
        from asyncflow.client.tasks import Task

        self._task = Task(
            "/".join(self._parts[:4]), attempt=self._attempt, _namespace_check=False, _place=self._place
        )
        record = self._task.records().get(self.id)
        if record is None:
            raise NoSuchObject(
                f"Task '{self._task.pathspec}' has no artifact '{self.id}'",
                hint=f"It has {', '.join(name for name in self._task.records() if is_public(name)) or 'none'}.",
            )
        self._record: ArtifactRecord = record

    @classmethod
    def of_record(cls, task: Task, name: str, record: ArtifactRecord) -> Self:
        """Make one of what is known already, without looking again."""
        artifact = object.__new__(cls)
        artifact._parts = (*task.path_components, name)
        artifact._attempt = task._attempt
        artifact._namespace, artifact._is_checked = None, False
        artifact._place, artifact._task, artifact._record = task._place, task, record
        return artifact

    @property
    def data(self) -> Any:  # Any: the user's object
        """The value, loaded anew each time.

        Raises:
            StoreError: Its bytes are missing or damaged, or its type cannot be rebuilt in this process.
        """
        load = self._place.store.load
        try:
            return load(self._record, name=self.id)
        except StoreError as error:
            cause = error.__cause__
            if not isinstance(cause, ModuleNotFoundError) or cause.name != "metaflow":
                raise
        from asyncflow.compat.finder import (
            installed,
        )  # only for classes of files that say `from metaflow import`

        with installed():
            return load(self._record, name=self.id)

    @property
    def size(self) -> int:
        """Length of the serialized value, bytes."""
        return self._record.size_bytes

    @property
    def sha(self) -> str:
        """Digest of the serialized value: equal digests mean equal values."""
        return self._record.digest

    @property
    def type(self) -> str:
        """Dotted name of the value's type."""
        return self._record.type

    @property
    def created_at(self) -> datetime:
        """When its task ended, in local time."""
        return self._task.finished_at or self._task.created_at

    @property
    def finished_at(self) -> datetime:
        """The same as `created_at`."""
        return self.created_at

    def _summary(self) -> list[tuple[str, object]]:
        return [
            ("pathspec", self.pathspec),
            ("type", self.type),
            ("size", f"{self.size:,} bytes"),
            ("sha", self.sha),
        ]


class RunData:
    """The artifacts of a task, by attribute. A value is loaded when it is first asked for, and kept.

    Args:
        task: The task.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._values: dict[str, Any] = {}  # Any: the user's objects

    def __getattr__(self, name: str) -> Any:  # Any: the user's object
        if name.startswith("__"):
            raise AttributeError(name)
        if name not in self._values:
            record = self._task.records().get(name)
            if record is None:
                raise AttributeError(
                    f"'{self._task.pathspec}' has no artifact '{name}'; it has {', '.join(dir(self))}"
                )
            self._values[name] = DataArtifact.of_record(self._task, name, record).data
        return self._values[name]

    def __contains__(self, name: object) -> bool:
        return name in self._task.records()

    def __dir__(self) -> list[str]:
        return sorted(name for name in self._task.records() if is_public(name))

    def __repr__(self) -> str:
        return f"<MetaflowData: {', '.join(dir(self))}>"

    def __getstate__(self) -> Task:
        return self._task

    def __setstate__(self, task: Task) -> None:
        self._task, self._values = task, {}


def is_public(name: str) -> bool:
    """Say whether an artifact is meant for people."""
    return not name.startswith("_") and name != "name"

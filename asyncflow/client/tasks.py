"""One task: how it went, its artifacts, what it printed, what it came from."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from asyncflow.client.code import MetaflowCode, code_of
from asyncflow.client.data import DataArtifact, RunData, is_public
from asyncflow.client.errors import NoSuchObject
from asyncflow.client.facts import metadata_of
from asyncflow.client.html import rows_of
from asyncflow.client.lineage import Lineage
from asyncflow.client.logs import lines
from asyncflow.client.objects import Container, local_time, numbered
from asyncflow.events.rows import AttemptRow, TaskRow, TaskStatus
from asyncflow.flow.failure import CaughtFailure
from asyncflow.machine.graph import Transition
from asyncflow.machine.ids import PARAMETERS_TASK, ManifestKey
from asyncflow.store.manifest import PARAMETERS_STEP, ArtifactRecord, Manifest

if TYPE_CHECKING:
    from asyncflow.client.cards import CardContainer
    from asyncflow.client.steps import Step

__all__ = ["Metadata", "Task"]

_GOOD = (TaskStatus.SUCCEEDED, TaskStatus.CLONED)


class Metadata(NamedTuple):
    """One thing recorded of a task."""

    name: str
    value: str
    created_at: int
    """Milliseconds since the epoch."""
    type: str
    task: Task


class Task(Container[DataArtifact]):
    """A task. Iterating gives its artifacts without their values; `attempt` picks one that is not the last."""

    DEPTH = 4

    def _find(self) -> None:
        self._row_known: TaskRow | None = None
        self._manifest_known: Manifest | None = None
        self._run_row()
        self._row_now()

    @classmethod
    def of_row(cls, step: Step, row: TaskRow) -> Self:
        """Make one of a row that was just read, without looking again."""
        task = object.__new__(cls)
        task._parts = (*step.path_components, str(row.task))
        task._attempt, task._namespace, task._is_checked = None, None, False
        task._place = step._place
        task._row_known = row if _is_final(row) else None
        task._manifest_known = None
        return task

    # What is recorded

    @property
    def _run_number(self) -> int:
        return numbered(self._parts[1])

    @property
    def _is_parameters(self) -> bool:
        return self._parts[2] == PARAMETERS_STEP

    def _row_now(self) -> TaskRow | None:
        """Return its row; None for the pseudo step of the parameters. Raises NoSuchObject."""
        if self._row_known is not None:
            return self._row_known
        if self._is_parameters and numbered(self.id) == PARAMETERS_TASK:
            return None
        row = self._place.reader.task(self._run_number, numbered(self.id)) if numbered(self.id) > 0 else None
        if row is None or row.step != self._parts[2]:
            raise NoSuchObject(
                f"There is no task '{self.pathspec}'",
                hint=f"Task {self.id} is of step {row.step}."
                if row
                else f"List them: asyncflow logs {self._parts[1]}",
            )
        if _is_final(row):
            self._row_known = row
        return row

    def row(self) -> TaskRow | None:
        """Return its row as the views have it now; None for the pseudo step of the parameters."""
        return self._row_now()

    def key(self) -> ManifestKey:
        """Return where its attempt leaves its manifest, log and cards; for a cloned task, where the origin did."""
        return self._key()

    def manifest(self) -> Manifest | None:
        """Return what its attempt left behind; None if it has not ended, or died. Raises StoreError."""
        return self._manifest()

    def _key(self) -> ManifestKey:
        row = self._row_now()
        if row is None:
            return ManifestKey(self._run_number, PARAMETERS_TASK, 0)
        if self._attempt is None or row.origin is not None:
            return row.key
        return ManifestKey(self._run_number, row.task, self._attempt)

    def _manifest(self) -> Manifest | None:
        """Return what the attempt left behind; None if it has not ended, or died."""
        if self._manifest_known is None:
            key = self._key()
            if not self._place.store.has_manifest(*key):
                return None
            manifest = self._place.store.read_manifest(*key)
            row = self._row_now()
            if row is not None and not _is_final(row):
                return manifest
            self._manifest_known = manifest
        return self._manifest_known

    def assume(self, artifacts: Mapping[str, ArtifactRecord]) -> None:
        """Have these artifacts: what an attempt leaves that has not ended, for those who look from within it."""
        run, task, attempt = self._key()
        self._manifest_known = Manifest(
            self._parts[0], run, self._parts[2], task, attempt, is_ok=True, artifacts=dict(artifacts)
        )

    def records(self) -> dict[str, ArtifactRecord]:
        """Return what the store has of each artifact, by name; nothing for an attempt that died.

        Raises:
            StoreError: The manifest is damaged.
        """
        manifest = self._manifest()
        return {} if manifest is None else manifest.artifacts

    # How it went

    @property
    def status(self) -> str:
        """`created`, `running`, `waiting`, `succeeded`, `caught`, `failed`, `cancelled` or `cloned`."""
        row = self._row_now()
        return TaskStatus.SUCCEEDED if row is None else row.status

    @property
    def successful(self) -> bool:
        """It succeeded, and no failure was caught by @catch."""
        row = self._row_now()
        return row is None or (row.status in _GOOD and row.error_type is None)

    @property
    def finished(self) -> bool:
        """It ended and handed on; False for one that failed."""
        return self.status in (*_GOOD, TaskStatus.CAUGHT)

    @property
    def created_at(self) -> datetime:
        """When it came to be, in local time."""
        row = self._row_now()
        return local_time(self._run_row().created_at if row is None else row.created_at)

    @property
    def finished_at(self) -> datetime | None:
        """When it ended, however it went; None while it runs."""
        row = self._row_now()
        if row is None:
            return self.created_at
        return None if row.ended_at is None or not _is_final(row) else local_time(row.ended_at)

    @property
    def exception(self) -> CaughtFailure | None:
        """Why it failed, with `type`, `stacktrace` and its text; says what became of a process that died."""
        if self._attempt is not None:
            for attempt in self.attempts():
                if attempt.number == self._attempt and attempt.status in ("failed", "lost"):
                    return _failure(attempt)
            return None
        row = self._row_now()
        return _failure(row) if row is not None and row.status == TaskStatus.FAILED else None

    @property
    def current_attempt(self) -> int:
        """Number of the attempt this object looks at: the last, or the one it was made with."""
        row = self._row_now()
        last = 0 if row is None else max(row.attempt, 0)
        return last if self._attempt is None else self._attempt

    def attempts(self) -> list[AttemptRow]:
        """Return how each attempt went, in order."""
        row = self._row_now()
        return [] if row is None else self._place.reader.attempts(self._run_number, row.task)

    @property
    def origin_pathspec(self) -> str | None:
        """For a task taken over on resume, the task whose result it is."""
        row = self._row_now()
        if row is None or row.origin is None:
            return None
        return f"{self._parts[0]}/{row.origin.run}/{row.step}/{row.origin.task}"

    @property
    def index(self) -> int | None:
        """Its index in the innermost foreach or gang; None outside of one."""
        row = self._row_now()
        if row is None or not row.path:
            return None
        manifest = self._manifest()
        if manifest is not None and manifest.frames:  # static branches within a foreach have its index
            return next(
                (frame.index for frame in reversed(manifest.frames) if frame.variable is not None), None
            )
        return int(row.path.rpartition(",")[2]) if self._is_in_foreach() else None

    def _is_in_foreach(self) -> bool:
        row = self._row_now()
        steps = self._place.graph(self._run_number).steps
        head = row
        while head is not None and head.scope is None:
            head = self._place.reader.task(self._run_number, head.parent_task)
        split = None if head is None else self._place.reader.task(self._run_number, head.scope or 0)
        return split is not None and steps[split.step].transition is not Transition.SPLIT

    # Artifacts

    @property
    def data(self) -> RunData:
        """Its artifacts by attribute, loaded when asked for. Of a failed task, what it had set before it failed."""
        return RunData(self)

    @property
    def artifacts(self) -> Any:  # Any: a named tuple made for it
        """A named tuple of its artifacts, without their values; names with an underscore in front are left out."""
        found = list(self)
        names = [artifact.id for artifact in found]
        return namedtuple("MetaflowArtifacts", names, rename=True)(*found)

    def __iter__(self) -> Iterator[DataArtifact]:
        for name, record in sorted(self.records().items()):
            if is_public(name):
                yield DataArtifact.of_record(self, name, record)

    def _child(self, name: str) -> DataArtifact:
        record = self.records().get(name)
        if record is None:
            raise NoSuchObject(f"Task '{self.pathspec}' has no artifact '{name}'")
        return DataArtifact.of_record(self, name, record)

    # Its cards

    @property
    def cards(self) -> CardContainer:
        """Its cards, those it shows now while it runs; none if the step has no @card. `get_cards` finds single ones."""
        from asyncflow.client.cards import cards_of

        return cards_of(self)

    # What it printed

    @property
    def stdout(self) -> str:
        """All it printed to stdout."""
        return self._text("stdout")

    @property
    def stderr(self) -> str:
        """All it printed to stderr."""
        return self._text("stderr")

    @property
    def stdout_size(self) -> int:
        """Length of what it printed to stdout, bytes."""
        return sum(len(line.text) + line.is_whole for line in self._lines("stdout"))

    @property
    def stderr_size(self) -> int:
        """Length of what it printed to stderr, bytes."""
        return sum(len(line.text) + line.is_whole for line in self._lines("stderr"))

    def loglines(self, stream: str, as_unicode: bool = True) -> Iterator[tuple[datetime, str | bytes]]:
        """Yield when and what it printed to `stdout` or `stderr`, line by line.

        Raises:
            ValueError: There is no such stream.
            StoreError: The log cannot be read.
        """
        if stream not in ("stdout", "stderr"):
            raise ValueError(f"there are the streams 'stdout' and 'stderr', and no {stream!r}")
        pending, at = b"", None
        for line in self._lines(stream):
            pending, at = pending + line.text, at or local_time(line.at)
            if line.is_whole:
                yield at, pending.decode("utf-8", "replace") if as_unicode else pending
                pending, at = b"", None
        if at is not None:
            yield at, pending.decode("utf-8", "replace") if as_unicode else pending

    def _lines(self, stream: str) -> Iterator[Any]:  # Any: LogLine
        return (line for line in lines(self._place.home, self._key()) if line.stream == stream)

    def _text(self, stream: str) -> str:
        whole = b"".join(line.text + (b"\n" if line.is_whole else b"") for line in self._lines(stream))
        return whole.decode("utf-8", "replace")

    # What is known of it

    @property
    def code(self) -> MetaflowCode | None:
        """The code of its run; None if it was not kept."""
        return code_of(self._place, self._run_row())

    @property
    def metadata(self) -> list[Metadata]:
        """What is recorded of it and its attempts."""
        row = self._row_now()
        if row is None:
            return []
        told = metadata_of(
            row,
            self._run_row(),
            sorted(self.system_tags),
            self._manifest(),
            home=self._place.home,
            recorded=self._place.reader.metadata(self._run_number, row.task),
            attempts=self.attempts(),
        )
        return [Metadata(*item, self) for item in told]

    @property
    def metadata_dict(self) -> dict[str, str]:
        """The latest value of each thing recorded of it."""
        return {item.name: item.value for item in self.metadata}

    @property
    def runtime_name(self) -> str | None:
        """What scheduled it, from the run's `runtime:` tag."""
        return next((tag[8:] for tag in self.system_tags if tag.startswith("runtime:")), None)

    @property
    def environment_info(self) -> dict[str, str]:
        """The versions it ran with."""
        return {
            tag.partition(":")[0]: tag.partition(":")[2] for tag in self.system_tags if "_version:" in tag
        }

    # Where it comes from

    @property
    def parent_tasks(self) -> Iterator[Task]:
        """The tasks whose results it started from; a join's in the order of its inputs."""
        return self._related(is_up=True)

    @property
    def child_tasks(self) -> Iterator[Task]:
        """The tasks that started from its result."""
        return self._related(is_up=False)

    @property
    def parent_task_pathspecs(self) -> Iterator[str]:
        """The same as pathspecs."""
        return (task.pathspec for task in self.parent_tasks)

    @property
    def child_task_pathspecs(self) -> Iterator[str]:
        """The same as pathspecs."""
        return (task.pathspec for task in self.child_tasks)

    def _related(self, *, is_up: bool) -> Iterator[Task]:
        from asyncflow.client.steps import Step

        row = self._row_now()
        if row is None:
            return
        lineage = Lineage(self._place.reader.tasks(self._run_number))
        run = "/".join(self._parts[:2])
        for other in lineage.parents(row.task) if is_up else lineage.children(row.task):
            yield Task.of_row(Step(f"{run}/{other.step}", _namespace_check=False, _place=self._place), other)

    def _repr_html_(self) -> str:
        shown = [(item.id, item.type, f"{item.size:,}", item.sha[:10]) for item in self]
        artifacts = rows_of("Artifacts", ("name", "type", "bytes", "digest"), shown)
        return super()._repr_html_() + artifacts

    def _summary(self) -> list[tuple[str, object]]:
        failure = self.exception
        return [
            ("status", self.status),
            ("created", self.created_at),
            ("finished", self.finished_at),
            ("attempts", self.current_attempt + 1),
            ("error", None if failure is None else f"{failure.type}: {failure.exception}"),
        ]


def _is_final(row: TaskRow) -> bool:
    return row.status not in (TaskStatus.CREATED, TaskStatus.RUNNING, TaskStatus.WAITING)


def _failure(row: TaskRow | AttemptRow) -> CaughtFailure:
    message = row.error_message or "it ended without a word"
    kind = row.error_type or "asyncflow.WorkerLost"
    trace = row.error_traceback or f"{kind.removeprefix('builtins.')}: {message}"
    return CaughtFailure(RuntimeError(message), type=kind, stacktrace=trace)

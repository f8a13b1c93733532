"""A pure fold from events to rows: what readers ask for, kept beside the log and rebuildable from it alone.

`RunView` holds one run's row and the rows of its living tasks, so a batch of events becomes the few rows it changes:
a task that is created, launched and started within a batch is one row written once. A task that is not held (the
driver was restarted, or it ended long ago) is asked for through `load`. Nothing here knows SQL or the time.

Folding a log in other batches than those it was written in gives the same rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, cast

from asyncflow.events.codec import Recorded
from asyncflow.events.rows import ArtifactRow, AttemptRow, MetadataRow, RunRow, TagRow, TaskRow, TaskStatus
from asyncflow.machine import events as ev
from asyncflow.machine.outcome import ArtifactRef, ErrorInfo, Usage
from asyncflow.records import field, record

__all__ = ["PENDING", "Changes", "RunView"]

PENDING = "pending: "
"""What the place of a task begins with that waits for its platform; then comes why."""


@record(frozen=False, kw_only=False)
class Changes:
    """What a batch of events changes in the views of one run."""

    run: RunRow | None = None
    """None: the run was never created, so there is nothing to show."""
    is_new: bool = False
    """The run's row is to be inserted."""
    added: dict[int, TaskRow] = field(default_factory=dict[int, TaskRow])
    """New tasks by id."""
    changed: dict[int, TaskRow] = field(default_factory=dict[int, TaskRow])
    """Tasks that were there before."""
    attempts: list[AttemptRow] = field(default_factory=list[AttemptRow])
    artifacts: list[ArtifactRow] = field(default_factory=list[ArtifactRow])
    tags: list[TagRow] = field(default_factory=list[TagRow])
    metadata: list[MetadataRow] = field(default_factory=list[MetadataRow])
    is_over: bool = False
    """The run ended: tasks that are still living become cancelled."""


class RunView:
    """The views of one run, as far as they can still change.

    Args:
        row: The run's row as recorded, None for a new run.
        load: Gives the row of a task as recorded, None if there is none.
    """

    def __init__(self, row: RunRow | None, load: Callable[[int], TaskRow | None]) -> None:
        self._run = row
        self._load = load
        self._living: dict[int, TaskRow] = {}
        self._paths: dict[int, str] = {}
        self._changes = Changes()

    def fold(self, events: Iterable[Recorded]) -> Changes:
        """Take the run's next events; return the rows they change. Unknown kinds only count."""
        changes = self._changes = Changes(run=self._run)
        count = 0
        for event in events:
            count += 1
            apply = self._APPLY.get(type(event))
            if apply is not None:
                apply(self, event)
        if self._run is not None:
            self._run.next_seq += count
        return changes

    def _run_created(self, event: ev.RunCreated) -> None:
        row = RunRow(
            run=event.run,
            flow=_clean(event.flow),
            user=_clean(event.user),
            created_at=event.at,
            origin_run=event.origin_run,
            meta=_json(event.meta),
            limits=_json(event.limits._asdict()),
        )
        self._run = self._changes.run = row
        self._changes.is_new = True
        self._changes.tags.extend(_tags(event))
        self._changes.metadata.extend(_metadata(event))

    def _limits_changed(self, event: ev.LimitsChanged | ev.DriverChanged) -> None:
        if self._run is not None:
            self._run.limits = _json(event.limits._asdict())

    def _task_created(self, event: ev.TaskCreated) -> None:
        run = self._run
        if run is not None:
            self._add(run, event)

    def _task_cloned(self, event: ev.TaskCloned) -> None:
        run = self._run
        if run is None:
            return
        task = self._add(run, event)
        task.origin_run, task.origin_task, task.origin_attempt = event.origin[:3]
        task.attempt = 0
        task.width = event.width
        task.chosen = event.chosen
        task.ended_at = event.at
        if event.caught is not None:
            _set_error(task, event.caught)
        self._move(task, TaskStatus.CLONED)

    def _attempt_launched(self, event: ev.AttemptLaunched) -> None:
        task = self._task(event.task)
        if task is None:
            return
        task.attempt = event.number
        task.launched_at = event.at
        if event.number:
            task.started_at = task.ended_at = task.pid = task.place = None
            task.error_type = task.error_message = task.error_traceback = None
            task.cpu_s = task.max_rss_bytes = None
        self._move(task, TaskStatus.RUNNING)

    def _attempt_started(self, event: ev.AttemptStarted) -> None:
        task = self._task(event.task)
        if task is None:
            return
        task.started_at = event.at
        task.pid = event.pid
        task.place = _clean(event.where)
        for name, value in event.metadata.items():
            row = MetadataRow(task.run, task.task, _clean(name), _clean(str(value)), event.at)
            self._changes.metadata.append(row)
        run = self._run
        if run is not None and run.started_at is None:
            run.started_at = event.at

    def _attempt_pending(self, event: ev.AttemptPending) -> None:
        task = self._task(event.task)
        if task is not None:
            task.place = f"{PENDING}{_clean(event.why)}"

    def _attempt_succeeded(self, event: ev.AttemptSucceeded) -> None:
        task = self._task(event.task)
        if task is None:
            return
        if event.width is not None:
            task.width = event.width
        task.chosen = event.chosen
        _set_usage(task, event.usage, event.at)
        if event.artifacts:
            self._add_artifacts(task, event.number, event.artifacts)
        if event.reused is not None:
            self._move(task, TaskStatus.CLONED)
        elif event.caught is None:
            self._move(task, TaskStatus.SUCCEEDED)
        else:
            _set_error(task, event.caught)
            self._move(task, TaskStatus.CAUGHT)

    def _attempt_failed(self, event: ev.AttemptFailed) -> None:
        task = self._task(event.task)
        if task is None:
            return
        _set_usage(task, event.usage, event.at)
        _set_error(task, event.error)
        self._add_artifacts(task, event.number, event.artifacts)
        self._end_attempt(task, event.number, "failed")

    def _attempt_lost(self, event: ev.AttemptLost) -> None:
        task = self._task(event.task)
        if task is None:
            return
        task.ended_at = event.at
        task.error_type = "lost"
        task.error_message = _clean(event.reason)
        self._end_attempt(task, event.number, "lost")

    def _attempt_cancelled(self, event: ev.AttemptCancelled) -> None:
        task = self._task(event.task)
        if task is None:
            return
        task.ended_at = event.at
        self._end_attempt(task, event.number, "cancelled")
        self._move(task, TaskStatus.CANCELLED)

    def _retry_scheduled(self, event: ev.RetryScheduled) -> None:
        task = self._task(event.task)
        if task is not None:
            self._move(task, TaskStatus.WAITING)

    def _retry_due(self, event: ev.RetryDue) -> None:
        task = self._task(event.task)
        if task is not None:
            self._move(task, TaskStatus.CREATED)

    def _task_failed(self, event: ev.TaskFailed) -> None:
        task = self._task(event.task)
        if task is None:
            return
        _set_error(task, event.error)
        if task.ended_at is None:
            task.ended_at = event.at
        self._move(task, TaskStatus.FAILED)
        run = self._run
        if run is not None and run.failed_task is None:
            run.failed_task = task.task
            run.failed_step = task.step

    def _scope_opened(self, event: ev.ScopeOpened) -> None:
        self._paths[event.task] = _path(event.frames)
        task = self._task(event.task)
        if task is not None:
            task.width = event.width
        if self._run is not None:
            self._run.branches_left += event.width

    def _run_stopping(self, event: ev.RunStopping) -> None:
        if self._run is not None:
            self._run.stop_reason = str(event.reason)

    def _run_finished(self, event: ev.RunFinished) -> None:
        run = self._run
        if run is None:
            return
        run.status = str(event.status)
        run.ended_at = event.at
        run.cancelled += run.created + run.running + run.waiting
        run.created = run.running = run.waiting = 0
        self._living.clear()
        self._paths.clear()
        self._changes.is_over = True

    def _add(self, run: RunRow, event: ev.TaskCreated | ev.TaskCloned) -> TaskRow:
        parent_run, parent_task, parent_attempt = event.parent[:3]
        task = TaskRow(
            run.run,
            event.task,
            event.step,
            self._path_of(event.frames, event.scope, event.index),
            event.iteration,
            parent_run,
            parent_task,
            parent_attempt,
            event.scope,
            event.index,
            event.closes,
            event.at,
        )
        self._living[event.task] = self._changes.added[event.task] = task
        run.created += 1
        if event.scope is not None:
            run.branches_left -= 1
        if event.closes is not None:
            self._paths.pop(event.closes, None)
        return task

    def _path_of(self, frames: tuple[tuple[int, int], ...] | None, scope: int | None, index: int) -> str:
        if frames is not None:
            return _path(frames)
        if scope is None:
            return ""
        outer = self._paths.get(scope)
        if outer is None:
            split = self._load(scope)
            outer = self._paths[scope] = "" if split is None else split.path
        return f"{outer},{index}" if outer else str(index)

    def _task(self, task_id: int) -> TaskRow | None:
        """Return the row to change, noted as changed; None for a task that was never created."""
        changes = self._changes
        task = self._living.get(task_id) or changes.added.get(task_id) or changes.changed.get(task_id)
        if task is None:
            task = self._load(task_id)
            if task is None:
                return None
            if task.status in _LIVING:
                self._living[task_id] = task
        if task_id not in changes.added:
            changes.changed[task_id] = task
        return task

    def _move(self, task: TaskRow, status: str) -> None:
        """Give a task a status, and count it there."""
        run = self._run
        if run is not None:
            setattr(run, task.status, getattr(run, task.status) - 1)
            setattr(run, status, getattr(run, status) + 1)
        task.status = status
        if status not in _LIVING:
            self._living.pop(task.task, None)

    def _end_attempt(self, task: TaskRow, number: int, status: str) -> None:
        self._changes.attempts.append(
            AttemptRow(
                run=task.run,
                task=task.task,
                number=number,
                status=status,
                launched_at=task.launched_at,
                started_at=task.started_at,
                ended_at=task.ended_at,
                pid=task.pid,
                place=task.place,
                error_type=task.error_type,
                error_message=task.error_message,
                error_traceback=task.error_traceback,
                cpu_s=task.cpu_s,
                max_rss_bytes=task.max_rss_bytes,
            )
        )

    def _add_artifacts(self, task: TaskRow, number: int, artifacts: Iterable[ArtifactRef]) -> None:
        rows = self._changes.artifacts
        for item in artifacts:
            name = _clean(item.name)
            rows.append(
                ArtifactRow(task.run, task.task, number, name, item.digest, item.size_bytes, item.type)
            )

    _APPLY: ClassVar[
        dict[type, Callable[[RunView, Any], None]]
    ] = {  # Any: each method takes its own event type
        ev.RunCreated: _run_created,
        ev.DriverChanged: _limits_changed,
        ev.TaskCreated: _task_created,
        ev.TaskCloned: _task_cloned,
        ev.AttemptLaunched: _attempt_launched,
        ev.AttemptStarted: _attempt_started,
        ev.AttemptPending: _attempt_pending,
        ev.AttemptSucceeded: _attempt_succeeded,
        ev.AttemptFailed: _attempt_failed,
        ev.AttemptLost: _attempt_lost,
        ev.AttemptCancelled: _attempt_cancelled,
        ev.RetryScheduled: _retry_scheduled,
        ev.RetryDue: _retry_due,
        ev.TaskFailed: _task_failed,
        ev.ScopeOpened: _scope_opened,
        ev.RunStopping: _run_stopping,
        ev.LimitsChanged: _limits_changed,
        ev.RunFinished: _run_finished,
    }
    """What changes no view is not here: AttemptTimedOut and StopAsked announce, FactIgnored explains, permits are the
    machine's own affair."""


_LIVING = ("created", "running", "waiting")


def _set_error(task: TaskRow, error: ErrorInfo) -> None:
    task.error_type = _clean(error.type)
    task.error_message = _clean(error.message)
    task.error_traceback = _clean(error.traceback)


def _set_usage(task: TaskRow, usage: Usage, at: float) -> None:
    if usage.started_at:
        task.started_at = usage.started_at
    task.ended_at = usage.ended_at or at
    task.cpu_s = usage.cpu_s
    task.max_rss_bytes = usage.max_rss_bytes


def _path(frames: tuple[tuple[int, int], ...]) -> str:
    return ",".join([str(frame[1]) for frame in frames])


def _clean(text: str) -> str:
    """Make text from tasks fit for SQLite, which refuses lone surrogates. The event keeps it as it was."""
    if text.isascii():
        return text
    return text.encode("utf-8", "replace").decode("utf-8")


def _json(value: Mapping[str, object]) -> str:
    return json.dumps(value, default=str)


def _tags(event: ev.RunCreated) -> Iterable[TagRow]:
    tags = dict.fromkeys(_clean(tag) for tag in event.tags)
    yield from (TagRow(event.run, tag, False) for tag in tags)
    date = datetime.fromtimestamp(event.at, UTC).strftime("%Y-%m-%d")
    system = {f"user:{_clean(event.user)}": None, f"date:{date}": None}
    versions = event.meta.get("versions")
    if isinstance(versions, Mapping):
        for name, version in cast("Mapping[object, object]", versions).items():
            system[_clean(f"{name}:{version}")] = None
    more = event.meta.get("system_tags")
    if isinstance(more, list | tuple):
        for tag in cast("Iterable[object]", more):
            system[_clean(str(tag))] = None
    yield from (TagRow(event.run, tag, True) for tag in system if tag not in tags)


def _metadata(event: ev.RunCreated) -> Iterable[MetadataRow]:
    for name, value in event.meta.items():
        text = value if isinstance(value, str) else json.dumps(value, default=str)
        yield MetadataRow(event.run, 0, _clean(name), _clean(text), event.at)
    if event.origin_run is not None:
        yield MetadataRow(event.run, 0, "origin-run-id", str(event.origin_run), event.at)

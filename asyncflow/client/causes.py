"""Why a task ran, or was taken over: what it is made of, compared with the time before."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from reprlib import Repr
from typing import Any

from asyncflow.client.lineage import Lineage
from asyncflow.client.place import Place
from asyncflow.errors import StoreError
from asyncflow.events.rows import RunRow, TaskRow, TaskStatus
from asyncflow.machine.ids import PARAMETERS_TASK, ManifestKey
from asyncflow.records import field, record
from asyncflow.store.manifest import Manifest
from asyncflow.store.reads import ABSENT, Given, digest_of_read, name_of

__all__ = ["Causes", "Change", "causes_of", "code_changes"]

_GOOD = (TaskStatus.SUCCEEDED, TaskStatus.CLONED)
_MOST_RUNS = 200
"""How far back a task to compare with is looked for."""
_MOST_SHOWN_BYTES = 4096
_BRIEF = Repr()
_BRIEF.maxstring = _BRIEF.maxother = 100


@record
class Change:
    """One thing that is not as it was."""

    kind: str
    """`code`, `read`, `file`, `env` or `setting`."""
    name: str
    before: str = ""
    """For people; empty where there is nothing to show."""
    after: str = ""
    diff: tuple[str, ...] = ()
    """Lines of a unified diff, for code."""


@record
class Causes:
    """What is known of why a task ran."""

    run: int
    step: str
    task: int
    reused: ManifestKey | None = None
    """The result that was taken over in place of running."""
    is_cached: bool = False
    """The step has @cache, or the run was started with --cache."""
    reads: tuple[str, ...] = ()
    """What it read; see `asyncflow.store.reads`."""
    compared: TaskRow | None = None
    """The task of an earlier run at the same place; None: there is none."""
    compared_is_cached: bool = False
    changes: Sequence[Change] = field(default_factory=list[Change])


def causes_of(place: Place, run: RunRow, task: TaskRow) -> Causes:
    """Compare a task that has ended with the same of the run before. Blocks.

    Raises:
        StoreError: Its manifest is missing (it died, or has not ended) or damaged.
    """
    manifest = place.store.read_manifest(*task.key)
    causes = {
        "run": run.run,
        "step": task.step,
        "task": task.task,
        "reused": None if manifest.reused is None else ManifestKey(*manifest.reused),
        "is_cached": manifest.code is not None,
        "reads": tuple(map(name_of, manifest.reads)),
    }
    before = _before(place, run, task)
    if before is None:
        return Causes(**causes)
    earlier_run, earlier = before
    earlier_manifest = place.store.read_manifest(*earlier.key)
    now = _Side(place, run, task, manifest)
    then = _Side(place, earlier_run, earlier, earlier_manifest)
    return Causes(
        **causes,
        compared=earlier,
        compared_is_cached=earlier_manifest.code is not None,
        changes=[
            *code_changes(then.told, now.told),
            *_changes_of_values(earlier_manifest.reads, manifest.reads),
            *_read_changes(then, now),
        ],
    )


def code_changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[Change]:  # Any: JSON-like
    """Compare what two results were made of besides what was read; nothing of a step without @cache."""
    if not then or not now:
        return []
    return [*_pieces(then["code"], now["code"]), *_settings(then, now)]


def _pieces(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Change]:  # Any: JSON-like
    for name in dict.fromkeys((*now, *then)):
        old, new = then.get(name), now.get(name)
        if old is None or new is None:
            before, after = ("not reached", "reached") if old is None else ("reached", "not reached")
            yield Change(kind="code", name=name, before=before, after=after)
        elif old[0] != new[0]:
            lines = difflib.unified_diff(old[1].splitlines(), new[1].splitlines(), n=2, lineterm="")
            yield Change(kind="code", name=name, diff=tuple(lines)[2:])


def _settings(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Change]:  # Any: JSON-like
    for name, word in (("version", "version"), ("python", "Python"), ("flow", "flow")):
        if then[name] != now[name]:
            yield Change(kind="setting", name=word, before=str(then[name]), after=str(now[name]))
    for kind, key in (("file", "files"), ("env", "env")):
        for name in dict.fromkeys((*now[key], *then[key])):
            old, new = then[key].get(name), now[key].get(name)
            if old != new:
                yield Change(kind=kind, name=name, before=_presence(old), after=_presence(new))


def _presence(digest: str | None) -> str:
    if digest is None:
        return "not looked at"
    return "not there" if digest == ABSENT else ""


class _Side:
    """One of the two tasks that are compared, and what it was given."""

    def __init__(self, place: Place, run: RunRow, task: TaskRow, manifest: Manifest) -> None:
        self._place = place
        self._run = run
        self._task = task
        self.manifest = manifest
        self.given = Given(place.store, *self._begun(), self._current, str)

    @property
    def told(self) -> dict[str, Any]:  # Any: JSON-like
        """Its step's code and settings; empty without @cache, or when they are gone."""
        if self.manifest.code is None:
            return {}
        try:
            told: dict[str, Any] = json.loads(bytes(self._place.store.get_blob(self.manifest.code)))
        except StoreError:
            return {}
        return told

    def shown(self, read: str) -> str:
        """Return what was read, for people; empty where it is large or many things."""
        where, _, name = read.partition(".")
        if where == "current":
            return self._current(name)
        if where != "self":
            return str(len(self.given.inputs or ())) if not name else ""
        found = self.given.inherited.get(name)
        if found is None:
            return "" if name in ("input", "foreach_stack") else self._own(name)
        if found.size_bytes > _MOST_SHOWN_BYTES:
            return f"{found.type}, {found.size_bytes:,} bytes"
        try:
            return _BRIEF.repr(self._place.store.load(found, name=name))
        except StoreError:
            return found.type  # its class cannot be imported here

    def _own(self, name: str) -> str:
        digest = digest_of_read(f"self.{name}", self.given)
        return "not there" if digest == ABSENT else digest

    def _begun(self) -> tuple[Any, Any, Any]:  # Any: fields of `Given`
        read, task = self._place.store.read_manifest, self._task
        if task.closes is None:
            return read(*task.parent).artifacts, self.manifest.frames, None
        parents = Lineage(self._place.reader.tasks(task.run)).parents(task.task)
        inputs = [] if [one.task for one in parents] == [task.closes] else parents
        begun = read(task.run, PARAMETERS_TASK, 0).artifacts
        return begun, self.manifest.frames, [read(*one.key) for one in inputs]

    def _current(self, name: str) -> str:
        """Return an attribute of `current`, as far as it is recorded; the others count as the same."""
        known: dict[str, Callable[[], object]] = {
            "run_id": lambda: self._run.run,
            "run": lambda: self._run.run,
            "task_id": lambda: self._task.task,
            "task": lambda: self._task.task,
            "username": lambda: self._run.user,
            "retry_count": lambda: max(self._task.attempt, 0),
            "origin_run_id": lambda: self._run.origin_run,
            "tags": lambda: sorted(
                tag.tag for tag in self._place.reader.tags(self._run.run) if not tag.is_system
            ),
        }
        return str(known[name]()) if name in known else ""


def _changes_of_values(then: Sequence[str], now: Sequence[str]) -> Iterator[Change]:
    """Compare the code of what the values that both have read were made of."""
    before = dict(read[5:].split("=") for read in then if read.startswith("code."))
    for read in now:
        name, _, digest = read[5:].partition("=")
        if read.startswith("code.") and before.get(name, digest) != digest:
            yield Change(kind="code", name=f"{name.rstrip(':')}, of which what it read is made,")


def _read_changes(then: _Side, now: _Side) -> Iterator[Change]:
    """Compare all that the two have read."""
    for read in dict.fromkeys((*now.manifest.reads, *then.manifest.reads)):
        if digest_of_read(read, then.given) != digest_of_read(read, now.given):
            yield Change(kind="read", name=read, before=then.shown(read), after=now.shown(read))


def _before(place: Place, run: RunRow, task: TaskRow) -> tuple[RunRow, TaskRow] | None:
    """Return the task at the same place in the latest run before that has a good one with a manifest."""
    for earlier in place.reader.runs(flow=run.flow, before=run.run, limit=_MOST_RUNS):
        for other in place.reader.tasks(earlier.run, step=task.step):
            is_same = (other.path, other.iteration) == (task.path, task.iteration)
            if is_same and other.status in _GOOD and place.store.has_manifest(*other.key):
                return earlier, other
    return None

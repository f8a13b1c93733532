"""How two runs differ: parameters, code, and artifacts by step, all by content."""

from __future__ import annotations

from collections.abc import Mapping
from reprlib import Repr

from asyncflow.client.code import code_of
from asyncflow.client.place import Place
from asyncflow.errors import StoreError
from asyncflow.events.rows import RunRow, TaskRow
from asyncflow.machine.ids import PARAMETERS_TASK
from asyncflow.records import field, record
from asyncflow.store.manifest import ArtifactRecord

__all__ = ["Difference", "RunsCompared", "compare_runs"]

_BRIEF = Repr()
_BRIEF.maxstring = _BRIEF.maxother = 60
_MOST_SHOWN_BYTES = 4096
_Records = Mapping[str, ArtifactRecord]


@record
class Difference:
    """An artifact or parameter that is not the same."""

    name: str
    before: str
    """For people; of several tasks, of the first that differs."""
    after: str
    tasks: int = 1
    """How many tasks were compared."""
    differing: int = 1


@record
class RunsCompared:
    """How two runs differ."""

    parameters: list[Difference] = field(default_factory=list[Difference])
    code_before: dict[str, bytes] = field(default_factory=dict[str, bytes])
    code_after: dict[str, bytes] = field(default_factory=dict[str, bytes])
    steps: dict[str, list[Difference]] = field(default_factory=dict[str, list[Difference]])

    @property
    def differ(self) -> bool:
        """Anything differs."""
        return bool(self.parameters or self.steps or self.code_before != self.code_after)


def compare_runs(place: Place, before: RunRow, after: RunRow) -> RunsCompared:
    """Compare two runs. Blocks: reads the manifest of each task. Raises StoreError if one is damaged."""
    old, new = _parameters(place, before), _parameters(place, after)
    codes = [code_of(place, row) for row in (before, after)]
    return RunsCompared(
        parameters=[_difference(place, name, old.get(name), new.get(name)) for name in _differing(old, new)],
        code_before={} if codes[0] is None else codes[0].files,
        code_after={} if codes[1] is None else codes[1].files,
        steps=_steps(place, before, after),
    )


def _parameters(place: Place, row: RunRow) -> _Records:
    key = (row.run, PARAMETERS_TASK, 0)
    if not place.store.has_manifest(*key):
        return {}
    found = place.store.read_manifest(*key).artifacts
    return {name: one for name, one in found.items() if not name.startswith("_")}


def _steps(place: Place, before: RunRow, after: RunRow) -> dict[str, list[Difference]]:
    """Compare what tasks at the same place have made, step by step."""
    old, new = _by_place(place, before), _by_place(place, after)
    found: dict[str, dict[str, tuple[int, Difference]]] = {}
    counts: dict[str, int] = {}
    for where in dict.fromkeys((*old, *new)):
        step = where[0]
        counts[step] = counts.get(step, 0) + 1
        made, now = _made(place, old.get(where)), _made(place, new.get(where))
        for name in _differing(made, now):
            several = found.setdefault(step, {})
            known = several.get(name)
            one = known[1] if known else _difference(place, name, made.get(name), now.get(name))
            several[name] = ((known[0] if known else 0) + 1, one)
    return {
        step: [
            Difference(name=name, before=one.before, after=one.after, tasks=counts[step], differing=count)
            for name, (count, one) in several.items()
        ]
        for step, several in found.items()
    }


def _by_place(place: Place, row: RunRow) -> dict[tuple[str, str, int], TaskRow]:
    return {(task.step, task.path, task.iteration): task for task in place.reader.tasks(row.run)}


def _made(place: Place, task: TaskRow | None) -> _Records:
    if task is None or not place.store.has_manifest(*task.key):
        return {}
    found = place.store.read_manifest(*task.key).artifacts
    return {name: one for name, one in found.items() if one.is_new}


def _differing(old: _Records, new: _Records) -> list[str]:
    return [name for name in sorted({*old, *new}) if _content(old.get(name)) != _content(new.get(name))]


def _content(one: ArtifactRecord | None) -> tuple[str, str] | None:
    return None if one is None else (one.digest, one.encoding)


def _difference(
    place: Place, name: str, before: ArtifactRecord | None, after: ArtifactRecord | None
) -> Difference:
    return Difference(name=name, before=_shown(place, name, before), after=_shown(place, name, after))


def _shown(place: Place, name: str, one: ArtifactRecord | None) -> str:
    if one is None:
        return "not there"
    about = f"{one.type}, {one.size_bytes:,} bytes, {one.digest[:8]}"
    if one.size_bytes > _MOST_SHOWN_BYTES:
        return about
    try:
        return _BRIEF.repr(place.store.load(one, name=name))
    except StoreError:
        return about  # its class cannot be imported here

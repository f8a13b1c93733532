"""What is recorded of a task, as the names and texts that Metaflow's users look for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from asyncflow.events.rows import AttemptRow, MetadataRow, RunRow, TaskRow
from asyncflow.store.manifest import Manifest

__all__ = ["metadata_of"]

_Item = tuple[str, str, int, str]
"""Name, value, when (milliseconds since the epoch), type."""


def metadata_of(
    task: TaskRow,
    run: RunRow,
    system_tags: Sequence[str],
    manifest: Manifest | None,
    *,
    home: str,
    recorded: Sequence[MetadataRow],
    attempts: Sequence[AttemptRow],
) -> Iterator[_Item]:
    """Yield what is known of a task; of what changes from attempt to attempt, the latest comes last."""
    created = int(task.created_at * 1000)
    for item in recorded:
        yield item.name, item.value, int(item.at * 1000), item.name
    for name, value in _facts(task, run, system_tags, manifest, home):
        yield name, value, created, name
    for attempt in attempts:
        yield "attempt", str(attempt.number), int((attempt.launched_at or task.created_at) * 1000), "attempt"
        if attempt.status != "running":
            is_ok = attempt.status in ("succeeded", "caught")
            yield (
                "attempt_ok",
                str(is_ok),
                int((attempt.ended_at or task.created_at) * 1000),
                "internal_attempt_status",
            )


def _facts(
    task: TaskRow, run: RunRow, system_tags: Sequence[str], manifest: Manifest | None, home: str
) -> Iterator[tuple[str, str]]:
    origin = task.origin
    yield "origin-run-id", "None" if origin is None else str(origin.run)
    if origin is not None:
        yield "origin-task-id", str(origin.task)
    yield "ds-type", "local"
    yield "ds-root", home
    yield "user", run.user
    for tag in system_tags:
        name, _, value = tag.partition(":")
        if name.endswith("_version"):
            yield name, value
    if manifest is not None and manifest.frames:
        stack = [(frame.split_step, frame.variable, frame.width, frame.index) for frame in manifest.frames]
        yield "foreach-stack", json.dumps(stack)
        path = ",".join(f"{frame.split_step}:{frame.index}" for frame in manifest.frames)
        yield "foreach-execution-path", path
    if task.place:
        yield "host", task.place
    if task.pid is not None:
        yield "pid", str(task.pid)

"""Pages: what a task has left of a card, and around it what the store knows of the task.

A default card costs its task next to nothing, as most of it is here: the graph, parameters, artifacts that were
inherited, attempts, resources, the end of the log, the exception. All of it is read when somebody looks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from asyncflow.cards import tree
from asyncflow.cards.limits import clipped, title_of
from asyncflow.client.data import is_public
from asyncflow.client.logs import last_lines
from asyncflow.client.preview import preview
from asyncflow.errors import StoreError
from asyncflow.events.rows import LIVING, AttemptRow, TaskRow
from asyncflow.machine.ids import PARAMETERS_TASK, ManifestKey
from asyncflow.records import replace
from asyncflow.store.manifest import ArtifactRecord, Manifest
from asyncflow.text import bytes_text, duration_text, moment_text, visible_bytes

if TYPE_CHECKING:
    from asyncflow.client.tasks import Task

__all__ = ["page_of"]

_GRAPH_INFO = "_graph_info"
_LOG_LINES = 100
_MOST_PREVIEWED = 256 << 10
"""Of inherited artifacts and parameters, larger ones are only named."""
_MOST_ARTIFACTS = 300
_MOST_STEPS = 500


def page_of(
    task: Task,
    body: tree.Body,
    *,
    type: str = "default",
    card_id: str = "",
    made_at: float = 0.0,
    is_live: bool = False,
) -> tree.Page:
    """Return the page of a card. Blocks: reads manifests, the log's end, and small artifacts.

    Args:
        task: Whose card it is.
        body: What the task left of it, or shows now.
        type: The card's type.
        card_id: The card's id; empty: none.
        made_at: When, seconds since the epoch.
        is_live: The task runs.
    """
    maker = _Maker(task)
    nodes = tuple(maker.filled(node) for node in body.nodes)
    if body.has_frame:
        nodes = (*maker.failures(), *nodes, *maker.frame(body))
    return tree.Page(
        title=body.title or task.path_components[2],
        type=title_of(type),
        card_id=title_of(card_id),
        pathspec=task.pathspec,
        attempt=task.current_attempt,
        status=str(task.status),
        made_at=made_at,
        is_live=is_live,
        nodes=nodes,
    )


class _Maker:
    """Makes the parts of one task's page."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._row = task.row()
        self._place = task.place
        self._manifest = task.manifest()
        self._parameters = self._read(ManifestKey(int(task.path_components[1]), PARAMETERS_TASK, 0))
        self._info = self._graph_info()

    # What the user's own nodes leave open

    def filled(self, node: tree.Node) -> tree.Node:
        """Return a node with the task's own log and graph where it asks for them."""
        if isinstance(node, tree.Log) and node.is_own:
            return self._log(node)
        if isinstance(node, tree.Dag) and not node.steps:
            return replace(self._dag(), id=node.id)
        if isinstance(node, tree.Section):
            return replace(node, nodes=tuple(self.filled(child) for child in node.nodes))
        return node

    # Around them

    def failures(self) -> Iterator[tree.Node]:
        """Yield what the task failed with, or what @catch took."""
        row = self._row
        if row is not None and row.error_type:
            message, _ = clipped(row.error_message or "", 5_000)
            trace, note = clipped(row.error_traceback or "", 50_000)
            kind = row.error_type.removeprefix("builtins.")
            title = f"{kind} (taken by @catch)" if row.status == "caught" else kind
            yield tree.Error(title=title_of(title), message=message, traceback=trace, note=note)

    def frame(self, body: tree.Body) -> Iterator[tree.Node]:
        """Yield what is known of the task."""
        if self._info:
            yield self._dag()
        yield tree.Section(title="Task", nodes=(tree.Facts(rows=tuple(self._facts())),))
        parameters = self._parameter_names()
        if parameters:
            yield tree.Section(title="Parameters", nodes=(self._parameter_table(parameters),))
        made, inherited = self._artifacts(body, parameters)
        if made:
            yield tree.Section(title="Artifacts", nodes=made)
        if inherited:
            yield tree.Section(title="Inherited artifacts", nodes=inherited, is_open=False)
        attempts = self._task.attempts()
        if len(attempts) > 1:
            yield tree.Section(title="Attempts", nodes=(_attempt_table(attempts),))
        log = self._log(tree.Log(is_own=True, lines=_LOG_LINES))
        if log.text:
            yield tree.Section(title="Log", nodes=(log,))

    def _facts(self) -> Iterator[tuple[str, tree.Cell]]:
        row, manifest = self._row, self._manifest
        if row is not None:
            yield from _times(row, manifest)
            if row.path:
                yield "branch", row.path
            if self._task.origin_pathspec:
                yield "taken over from", self._task.origin_pathspec
        where = " · ".join(filter(None, _places(row, manifest)))
        if where:
            yield "ran on", where
        used = _used(row, manifest)
        if used:
            yield "used", used
        asked = self._asked()
        if asked:
            yield "asked for", asked
        if manifest is not None and manifest.next:
            yield "went on to", ", ".join(manifest.next)

    def _asked(self) -> str:
        try:
            step = self._place.graph(int(self._task.path_components[1])).steps[self._task.path_components[2]]
        except (StoreError, KeyError):
            return ""
        words = {"cpu": "cores", "memory_mb": "MB", "gpu": "GPUs"}
        asked = [
            f"{getattr(step.resources, name):g} {word}"
            for name, word in words.items()
            if getattr(step.resources, name) is not None
        ]
        if step.timeout_s is not None:
            asked.append(f"at most {duration_text(step.timeout_s)}")
        return ", ".join(asked)

    def _dag(self) -> tree.Dag:
        steps: Mapping[str, Any] = self._info.get("steps") or {}  # Any: JSON-like, as below
        current = self._task.path_components[2]
        statuses = self._statuses()
        drawn = tuple(
            tree.DagStep(
                name=title_of(name),
                kind=str(step.get("type", "linear")),
                next=tuple(str(target) for target in step.get("next") or ()),
                doc=title_of(str(step.get("doc") or "").strip().split("\n")[0]),
                status=statuses.get(str(name), ""),
            )
            for name, step in list(steps.items())[:_MOST_STEPS]
        )
        return tree.Dag(steps=drawn, current=current)

    def _statuses(self) -> dict[str, str]:
        """Return how each step that has tasks stands: `failed`, `running` or `succeeded`."""
        found: dict[str, list[str]] = {}
        for count in self._place.reader.steps(int(self._task.path_components[1])):
            found.setdefault(count.step, []).append(count.status)
        return {step: _together(statuses) for step, statuses in found.items()}

    def _graph_info(self) -> Mapping[str, Any]:
        record = None if self._parameters is None else self._parameters.artifacts.get(_GRAPH_INFO)
        if record is None:
            return {}
        try:
            info: object = self._place.store.load(record, name=_GRAPH_INFO)
        except StoreError:
            return {}
        return info if isinstance(info, Mapping) else {}

    # Artifacts

    def _parameter_names(self) -> list[str]:
        told = self._info.get("parameters") or []
        known = {} if self._parameters is None else self._parameters.artifacts
        return [str(item.get("name")) for item in told if str(item.get("name")) in known]

    def _parameter_table(self, names: list[str]) -> tree.Table:
        helps = {
            str(item.get("name")): str(item.get("help") or "") for item in self._info.get("parameters") or []
        }
        assert self._parameters is not None
        rows = [(name, self._shown(self._parameters.artifacts[name]), helps.get(name, "")) for name in names]
        has_help = any(row[2] for row in rows)
        return tree.Table(
            headers=("name", "value", "") if has_help else ("name", "value"),
            rows=tuple(tuple(title_of(cell) for cell in (row if has_help else row[:2])) for row in rows),
            total_rows=len(rows),
        )

    def _artifacts(
        self, body: tree.Body, parameters: list[str]
    ) -> tuple[tuple[tree.Node, ...], tuple[tree.Node, ...]]:
        """Return what the step has set, and what it was given beside parameters and constants."""
        records = {} if self._manifest is None else self._manifest.artifacts
        begun = {} if self._parameters is None else self._parameters.artifacts
        previews = {artifact.name: artifact for artifact in body.artifacts}
        names = [name for name in records if is_public(name) and name not in parameters]
        made = [name for name in names if records[name].is_new]
        other = [name for name in names if not records[name].is_new and name not in begun]
        live = [] if records else list(body.artifacts)
        return (
            (
                *live,
                *(previews.get(name) or self._inert(name, records[name]) for name in made[:_MOST_ARTIFACTS]),
            ),
            tuple(self._inert(name, records[name]) for name in other[:_MOST_ARTIFACTS]),
        )

    def _inert(self, name: str, record: ArtifactRecord) -> tree.Artifact:
        return tree.Artifact(
            name=title_of(name),
            type=title_of(record.type.removeprefix("builtins.")),
            size_bytes=record.size_bytes,
            preview=tree.Text(text=self._shown(record)),
        )

    def _shown(self, record: ArtifactRecord) -> str:
        if record.size_bytes > _MOST_PREVIEWED:
            return f"{record.type}, {bytes_text(record.size_bytes)}"
        return clipped(preview(self._place.store, record), 5_000)[0]

    # The log

    def _log(self, node: tree.Log) -> tree.Log:
        key = self._task.key()
        try:
            tail = last_lines(self._place.home, key, node.lines)
        except StoreError as error:
            return replace(node, note=error.message)
        text = (
            visible_bytes(b"\n".join(tail) + b"\n" if tail else b"").decode("utf-8", "replace").rstrip("\n")
        )
        note = f"The last {len(tail)} lines." if len(tail) == node.lines else ""
        return replace(node, text=text, note=note)

    def _read(self, key: ManifestKey) -> Manifest | None:
        try:
            return self._place.store.read_manifest(*key)
        except StoreError:
            return None


def _together(statuses: list[str]) -> str:
    if "failed" in statuses:
        return "failed"
    return "running" if any(status in LIVING for status in statuses) else "succeeded"


def _times(row: TaskRow, manifest: Manifest | None) -> Iterator[tuple[str, tree.Cell]]:
    began = (manifest.started_at if manifest is not None else 0.0) or row.started_at or row.launched_at
    if began:
        yield "began", moment_text(began)
    ended = (manifest.ended_at if manifest is not None else 0.0) or row.ended_at
    if began and ended and row.status not in LIVING:
        yield "took", duration_text(ended - began)
    if row.attempt > 0:
        yield "attempt", f"{row.attempt + 1} of {row.attempt + 1}"


def _places(row: TaskRow | None, manifest: Manifest | None) -> Iterator[str]:
    host = (manifest.host if manifest is not None else "") or (row.place if row is not None else "") or ""
    pid = (manifest.pid if manifest is not None else 0) or (row.pid if row is not None else 0)
    yield host
    yield f"process {pid}" if pid else ""


def _used(row: TaskRow | None, manifest: Manifest | None) -> str:
    cpu = (manifest.cpu_s if manifest is not None else None) or (row.cpu_s if row is not None else None)
    memory = (manifest.max_rss_bytes if manifest is not None else None) or (
        row.max_rss_bytes if row is not None else None
    )
    parts = [
        f"{cpu:.2f} s of a core" if cpu else "",
        f"{bytes_text(int(memory))} of memory" if memory else "",
    ]
    return ", ".join(filter(None, parts))


def _attempt_table(attempts: list[AttemptRow]) -> tree.Table:
    rows = tuple(
        (
            str(attempt.number),
            attempt.status,
            moment_text(attempt.launched_at) if attempt.launched_at else "",
            duration_text(attempt.ended_at - attempt.launched_at)
            if attempt.ended_at and attempt.launched_at
            else "",
            title_of(f"{attempt.error_type}: {attempt.error_message or ''}" if attempt.error_type else ""),
        )
        for attempt in attempts
    )
    return tree.Table(headers=("attempt", "status", "began", "took", "error"), rows=rows, align="rllll")

"""Two runs side by side: what differs first. Parameters, code, steps and their times, artifacts by digest and value."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from asyncflow.errors import StoreError
from asyncflow.events.browser import Browser, TaskQuery
from asyncflow.events.rows import RunRow
from asyncflow.look import Span
from asyncflow.machine.ids import PARAMETERS_TASK, ManifestKey
from asyncflow.store.local import LocalStore
from asyncflow.store.manifest import ArtifactRecord
from asyncflow.text import duration_text, moment_text
from asyncflow.tui.bars import Lines
from asyncflow.tui.keys import bindings_of, hints_of
from asyncflow.tui.listing import Cell, Column, Listing
from asyncflow.tui.preview import preview

if TYPE_CHECKING:
    from asyncflow.tui.app import Dashboard

__all__ = ["CompareScreen", "Difference", "compare"]

_PREVIEWED = 64 << 10


class Difference(NamedTuple):
    """One thing of two runs."""

    section: str
    name: str
    left: str
    right: str
    is_same: bool


class _Rows:
    def __init__(self, left: int, right: int) -> None:
        self.columns: Sequence[Column] = (
            Column(title="", width=10),
            Column(title="WHAT", width=16, stretch=1),
            Column(title="", width=3),
            Column(title=f"RUN {left}", width=14, stretch=2),
            Column(title=f"RUN {right}", width=14, stretch=2),
        )
        self.items: list[Difference] = []

    def __len__(self) -> int:
        return len(self.items)

    def cells(self, index: int) -> Sequence[Cell] | None:
        section, name, left, right, is_same = self.items[index]
        is_first = index == 0 or self.items[index - 1].section != section
        role = "dim" if is_same else "text"
        return (
            (Span(section if is_first else "", "title"),),
            (Span(name, "dim" if is_same else "bold"),),
            (Span("=" if is_same else "!=", "dim" if is_same else "waiting"),),
            (Span(left, role),),
            (Span(right, role if is_same else "waiting"),),
        )


class CompareScreen(Screen[None]):
    """Shows two runs side by side."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *[
            binding
            for binding in bindings_of("run")
            if isinstance(binding, Binding) and binding.action == "app.go_back"
        ],
    ]
    app: Dashboard

    def __init__(self, left: int, right: int) -> None:
        super().__init__()
        self._runs = (left, right)
        self._rows = _Rows(left, right)

    def compose(self) -> ComposeResult:
        """Make the panes."""
        yield Lines(1, id="head")
        yield Listing(self._rows, empty="Reading both runs...", id="differences")
        yield Lines(1, ground="surface", id="hints")

    def on_mount(self) -> None:
        """Read both runs."""
        self.query_one(Listing).focus()
        self.query_one("#head", Lines).update(
            ([Span(" Compare", "title"), Span(f"  run {self._runs[0]} with run {self._runs[1]}")], [])
        )
        self.app.show_hints(self.query_one("#hints", Lines), [("Esc", "back"), *hints_of("app")])
        self.run_worker(self._load, exclusive=True)

    async def _load(self) -> None:
        home, (left, right) = self.app.home, self._runs
        self._rows.items = await self.app.desk.ask(
            lambda browser: compare(browser, LocalStore(home), left, right)
        )
        different = sum(not item.is_same for item in self._rows.items)
        self.query_one("#head", Lines).update(
            (
                [
                    Span(" Compare", "title"),
                    Span(f"  run {left} with run {right}"),
                    Span(f"   {different} of {len(self._rows.items)} things differ", "waiting"),
                ],
                [],
            )
        )
        self.query_one(Listing).update_rows()

    def on_listing_chosen(self, message: Listing.Chosen) -> None:
        """Show both values in full."""
        item = self._rows.items[message.index]
        left, right = self._runs
        self.app.read(item.name, f"run {left}\n{item.left}\n\nrun {right}\n{item.right}")

    def back(self) -> bool:
        """There is nothing to go back to inside this screen."""
        return False

    def copied(self) -> tuple[str, str]:
        """Return what `y` copies, and what it is."""
        index = self.query_one(Listing).index
        if index >= len(self._rows.items):
            return "", ""
        item = self._rows.items[index]
        return f"{item.name}\t{item.left}\t{item.right}", "the line"


def compare(browser: Browser, store: LocalStore, left: int, right: int) -> list[Difference]:
    """Compare two runs. Blocking: reads the manifests of their parameters and of their last tasks.

    Raises:
        StoreError: The event log cannot be read.
    """
    rows = browser.run(left), browser.run(right)
    if rows[0] is None or rows[1] is None:
        return []
    return [
        *_facts("run", _about(rows[0]), _about(rows[1])),
        *_artifacts(
            "parameters", store, ManifestKey(left, PARAMETERS_TASK, 0), ManifestKey(right, PARAMETERS_TASK, 0)
        ),
        *_facts("steps", _steps(browser, left), _steps(browser, right)),
        *_artifacts("results", store, _last(browser, rows[0]), _last(browser, rows[1])),
    ]


def _about(row: RunRow) -> dict[str, str]:
    meta: dict[str, Any] = json.loads(row.meta)  # Any: JSON-like
    took = "" if row.ended_at is None else duration_text(row.ended_at - row.created_at)
    versions: dict[str, Any] = meta.get("versions") or {}  # Any: JSON-like
    return {
        "flow": row.flow,
        "status": row.status,
        "started": moment_text(row.created_at),
        "took": took,
        "user": row.user,
        "flow file": str(meta.get("flow_file", "")),
        "code": str(meta.get("code", "")) or str(meta.get("class", "")),
        "command": " ".join(str(part) for part in meta.get("argv", ())),
        **{name.removesuffix("_version"): str(version) for name, version in versions.items()},
    }


def _steps(browser: Browser, run: int) -> dict[str, str]:
    overview = browser.overview(run)
    found: dict[str, str] = {}
    for step in () if overview is None else overview.steps:
        good = step.succeeded + step.caught + step.cloned
        tasks = good + step.failed + step.cancelled + step.created + step.running + step.waiting
        took = "" if step.ended_at is None or step.launched_at is None else step.ended_at - step.launched_at
        found[step.step] = (
            f"{good:,}/{tasks:,} in {duration_text(took)}" if took != "" else f"{good:,}/{tasks:,}"
        )
    return found


def _facts(section: str, left: dict[str, str], right: dict[str, str]) -> list[Difference]:
    names = dict.fromkeys([*left, *right])
    return [
        Difference(section, name, left.get(name, ""), right.get(name, ""), left.get(name) == right.get(name))
        for name in names
    ]


def _last(browser: Browser, row: RunRow) -> ManifestKey | None:
    """Return the manifest of the run's last good task: what it came to."""
    overview = browser.overview(row.run)
    if overview is None or not overview.steps:
        return None
    for step in reversed(overview.steps):
        for status in ("succeeded", "caught", "cloned"):
            query = TaskQuery(run=row.run, step=step.step, status=status, sort="task")
            tasks = browser.page_of_tasks(query, offset=0, limit=1)
            if tasks:
                return tasks[0].key
    return None


def _artifacts(
    section: str, store: LocalStore, left: ManifestKey | None, right: ManifestKey | None
) -> list[Difference]:
    records = _records(store, left), _records(store, right)
    found: list[Difference] = []
    for name in sorted({*records[0], *records[1]}):
        sides = [side.get(name) for side in records]
        is_same = sides[0] is not None and sides[1] is not None and sides[0].digest == sides[1].digest
        texts = ["" if side is None else _value(store, side) for side in sides]
        found.append(Difference(section, name, texts[0], texts[1], is_same))
    return found


def _records(store: LocalStore, key: ManifestKey | None) -> dict[str, ArtifactRecord]:
    if key is None:
        return {}
    try:
        artifacts = store.read_manifest(*key).artifacts
    except StoreError:
        return {}
    return {name: record for name, record in artifacts.items() if not name.startswith("_")}


def _value(store: LocalStore, record: ArtifactRecord) -> str:
    if record.size_bytes <= _PREVIEWED:
        return preview(store, record)
    return f"{record.type} {record.digest[:12]}"

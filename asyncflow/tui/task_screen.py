"""One task: its attempts and why they ended, where it comes from, its artifacts, and the log of an attempt."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.events import Resize
from textual.screen import Screen

from asyncflow.errors import StoreError
from asyncflow.events.browser import Browser
from asyncflow.events.rows import LIVING, AttemptRow, TaskRow
from asyncflow.look import Span, glyphs, status_spans
from asyncflow.machine.ids import ManifestKey
from asyncflow.store.layout import log_path
from asyncflow.store.local import LocalStore
from asyncflow.store.manifest import ArtifactRecord
from asyncflow.text import bytes_text, duration_text, moment_text
from asyncflow.tui.bars import Lines
from asyncflow.tui.cardpane import CardPane, Subject
from asyncflow.tui.dialogs import Prompt
from asyncflow.tui.keys import bindings_of, hints_of
from asyncflow.tui.listing import Cell, Column, Listing
from asyncflow.tui.logpane import LogPane
from asyncflow.tui.model import StepModel
from asyncflow.tui.preview import preview
from asyncflow.tui.rows import error_line, task_place

if TYPE_CHECKING:
    from asyncflow.tui.app import Dashboard

__all__ = ["ArtifactRows", "TaskScreen"]

_PREVIEWED = 64 << 10
"""Artifacts up to this size are shown by value in the list."""
_MOST_CHILDREN = 5


class ArtifactRows:
    """What is visible after an attempt; made by it first, then inherited."""

    columns: Sequence[Column] = (
        Column(title="ARTIFACT", width=14, stretch=1),
        Column(title="TYPE", width=12, from_width=60, keeps_end=True),
        Column(title="SIZE", width=8, is_right=True),
        Column(title="VALUE", width=10, stretch=3),
    )

    def __init__(self) -> None:
        self.items: list[tuple[str, ArtifactRecord, str]] = []
        self._all: list[tuple[str, ArtifactRecord, str]] = []

    def __len__(self) -> int:
        return len(self.items)

    def put(self, items: Sequence[tuple[str, ArtifactRecord, str]]) -> None:
        """Take in artifacts: name, record, preview."""
        self._all = sorted(items, key=lambda item: (not item[1].is_new, item[0]))
        self.items = list(self._all)

    def filter(self, text: str) -> None:
        """Show those whose name, type or value has the text."""
        self.items = [item for item in self._all if text in f"{item[0]} {item[1].type} {item[2]}".lower()]

    def cells(self, index: int) -> Sequence[Cell] | None:
        name, record, value = self.items[index]
        kind = record.type.removeprefix("builtins.")
        return (
            (Span(name, "bold" if record.is_new else "dim"),),
            (Span(kind, "dim"),),
            (Span(bytes_text(record.size_bytes), "dim"),),
            (Span(value, "text" if record.is_new else "dim"),),
        )


class TaskScreen(Screen[None]):
    """Shows a task."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_of("task")
    app: Dashboard

    def __init__(self, flow: str, task: TaskRow, step: StepModel | None) -> None:
        super().__init__()
        self._flow = flow
        self.shown_task = task
        self._step = step
        self._attempts: list[AttemptRow] = []
        self._number = max(task.attempt, 0)
        self._children: list[TaskRow] = []
        self._rows = ArtifactRows()
        self._manifest_of: ManifestKey | None = None
        self._is_looking = False

    def compose(self) -> ComposeResult:
        """Make the panes."""
        yield Lines(2, id="head")
        with Horizontal(id="facts"):
            yield Lines(9, id="about")
            with Vertical(id="artifactpane"):
                yield Listing(self._rows, empty="No artifact yet.", id="artifacts")
        yield Lines(1, ground="surface", id="logtitle")
        yield LogPane(id="log")
        yield CardPane(id="card")
        yield Lines(1, ground="surface", id="hints")

    def on_mount(self) -> None:
        """Show the task, and go on looking while it lives."""
        self._log, self._card = self.query_one(LogPane), self.query_one(CardPane)
        self._log.focus()
        self.watch(self, "focused", self._show_hints)
        self.run_worker(self._load, exclusive=True)
        self.set_interval(0.5, self._look)

    def on_resize(self, _event: Resize) -> None:
        """Lay out anew."""
        self.set_class(self.app.size.width < 100, "narrow")
        self.call_after_refresh(self._show)

    async def _look(self) -> None:
        if self.is_current and self.shown_task.status in LIVING and not self._is_looking:
            self._is_looking = True
            try:
                await self._load()
            finally:
                self._is_looking = False
        self._show_log_title()

    async def _load(self) -> None:
        run, number = self.shown_task.run, self.shown_task.task
        was_last = self._number == max(self.shown_task.attempt, 0)
        found = await self.app.desk.ask(lambda browser: _facts(browser, run, number))
        if found is None:
            return
        self.shown_task, self._attempts, self._children = found
        if was_last:
            self._number = max(self.shown_task.attempt, 0)
        await self._load_artifacts()
        self._show()

    async def _load_artifacts(self) -> None:
        key = self._key()
        if key == self._manifest_of:
            return
        home = self.app.home
        items = await self.app.desk.ask(lambda _: _artifacts(home, key))
        if items is not None:
            self._manifest_of = key
            self._rows.put(items)
            self.query_one("#artifacts", Listing).update_rows()

    def _key(self) -> ManifestKey:
        if self.shown_task.origin is not None:
            return self.shown_task.origin
        return ManifestKey(self.shown_task.run, self.shown_task.task, self._number)

    def _show(self) -> None:
        task, drawn = self.shown_task, glyphs()
        place = task_place(task.step, task.path, task.iteration)
        status = status_spans(task.status, drawn)[0]
        left = [
            Span(" "),
            Span(f"{self._flow}/{task.run}/", "dim"),
            Span(f"{task.step}/{task.task}", "title"),
            Span(f" {place}  ", "dim"),
            status,
        ]
        error = error_line(task.error_type, task.error_message)
        self.query_one("#head", Lines).update((left, []), ([Span(f" {error}", "bad")], []))
        about = self.query_one("#about", Lines)
        lines = self._about()
        about.styles.height = max(3, min(len(lines), 9))
        about.update(*((line, ()) for line in lines))
        tries = f" {drawn.dot} try {self._number + 1} of {task.attempt + 1}" if task.attempt > 0 else ""
        self._log.show(log_path(self.app.home, *self._key()), f"{task.step}/{task.task}{tries}")
        pathspec = f"{self._flow}/{task.run}/{task.step}/{task.task}"
        self._card.show(Subject(pathspec, self._number, task.status))
        self._show_log_title()

    def _about(self) -> list[list[Span]]:
        task, drawn = self.shown_task, glyphs()
        lines: list[list[Span]] = []
        for attempt in self._attempts[-4:]:
            mark = drawn.cursor if attempt.number == self._number else " "
            status = status_spans(attempt.status, drawn)[0]
            began = attempt.started_at or attempt.launched_at
            end = attempt.ended_at or (time.time() if attempt.status == "running" else None)
            took = duration_text(end - began) if began is not None and end is not None else ""
            why = (
                ""
                if attempt.status in ("succeeded", "running")
                else f"  {error_line(attempt.error_type, None)}"
            )
            lines.append(
                [
                    Span(mark, "accent"),
                    Span(f"try {attempt.number + 1}  ", "dim"),
                    status,
                    Span(f"  {took}"),
                    Span(why, "bad"),
                ]
            )
        chosen = next((row for row in self._attempts if row.number == self._number), None)
        if chosen is not None:
            lines.append(
                _fact(
                    "where",
                    " ".join(part for part in (chosen.place, chosen.pid and f"pid {chosen.pid}") if part),
                )
            )
            if chosen.started_at:
                lines.append(_fact("started", moment_text(chosen.started_at)))
            lines.append(_fact("used", _used(chosen, self._step)))
        if task.origin is not None:
            lines.append(_fact("taken from", f"run {task.origin.run}, task {task.origin.task}"))
        lines.append(_fact("from", f"task {task.parent_task}" if task.parent_task else "the parameters"))
        if self._children:
            more = drawn.ellipsis if len(self._children) > _MOST_CHILDREN else ""
            names = " ".join(f"{child.step}/{child.task}" for child in self._children[:_MOST_CHILDREN])
            lines.append(_fact("leads to", f"{names} {more}"))
        return lines

    def _show_log_title(self) -> None:
        pane: LogPane | CardPane = self._card if self._card.display else self._log
        role = "title" if pane.has_focus else "head"
        what = "Card" if pane is self._card else "Log"
        left = [Span(f" {what} {glyphs().dot} ", role), Span(pane.title, role)]
        self.query_one("#logtitle", Lines).update((left, [Span(f"{pane.note} ", "dim")]))

    def _show_hints(self) -> None:
        pane = {self._log: "log", self._card: "card"}.get(self.focused, "list")
        places = (pane, "task", "app")
        self.app.show_hints(self.query_one("#hints", Lines), hints_of(*places))
        self._show_log_title()

    def on_listing_chosen(self, message: Listing.Chosen) -> None:
        """Show an artifact."""
        name, record, _ = self._rows.items[message.index]
        self.run_worker(partial(self._read, name, record), exclusive=True)

    async def _read(self, name: str, record: ArtifactRecord) -> None:
        store = LocalStore(self.app.home)
        value = await self.app.desk.ask(lambda _: preview(store, record))
        about = f"type    {record.type}\nsize    {bytes_text(record.size_bytes)}\ndigest  {record.digest}\n\n"
        self.app.read(name, about + value)

    def on_log_pane_told(self, message: LogPane.Told) -> None:
        """Say what a search has to say."""
        self.app.say(message.text)

    def on_card_pane_named(self, _message: CardPane.Named) -> None:
        """Name the card above it."""
        self._show_log_title()

    def on_card_pane_told(self, message: CardPane.Told) -> None:
        """Say where a card was opened."""
        self.app.say(message.text)

    def action_card(self) -> None:
        """Show the cards in place of the log, and back."""
        self.toggle_class("card")
        shown = self._card if self.has_class("card") else self._log
        self.call_after_refresh(shown.focus)
        self.call_after_refresh(self._show)

    def on_log_pane_pager_asked(self, _message: LogPane.PagerAsked) -> None:
        """Open the log in $PAGER."""
        if self._log.log_file is not None:
            self.app.page_log(self._log.log_file.path)

    def action_filter(self) -> None:
        """Ask what to search in the log, or which artifacts to show."""
        if self._log.has_focus:
            hint = "text or regular expression; small letters match both"
            self.app.push_screen(Prompt("Search the log", self._log.query_text, hint), self._search)
        else:
            self.app.push_screen(
                Prompt("Filter artifacts", "", "part of a name, type or value"), self._narrow
            )

    def _search(self, text: str | None) -> None:
        if text is not None:
            self._log.search(text)
            self._show_log_title()

    def _narrow(self, text: str | None) -> None:
        if text is not None:
            self._rows.filter(text.strip().lower())
            self.query_one("#artifacts", Listing).update_rows()

    def action_attempt(self, distance: int) -> None:
        """Show another attempt."""
        number = self._number + distance
        if 0 <= number <= self.shown_task.attempt:
            self._number = number
            self.run_worker(self._load_artifacts, exclusive=True)
            self._show()

    def action_parent(self) -> None:
        """Go to the task it starts from."""
        if self.shown_task.parent_task and self.shown_task.parent_run == self.shown_task.run:
            self.run_worker(self._open_parent, exclusive=True)
        else:
            self.app.say("It starts from the run's parameters")

    async def _open_parent(self) -> None:
        run, number = self.shown_task.run, self.shown_task.parent_task
        row = await self.app.desk.ask(lambda browser: browser.task(run, number))
        if row is not None:
            self.app.open_task(row)

    def action_cancel(self) -> None:
        """Cancel this task, its step or the run."""
        self.run_worker(partial(self._ask_driver, is_cancel=True), exclusive=True)

    def action_retry(self) -> None:
        """Wait no longer for the next try."""
        self.run_worker(partial(self._ask_driver, is_cancel=False), exclusive=True)

    async def _ask_driver(self, *, is_cancel: bool) -> None:
        task = self.shown_task
        row = await self.app.desk.ask(lambda browser: browser.run(task.run))
        if row is None:
            return
        if is_cancel:
            number = task.task if task.status in LIVING else None
            step = None if number is None else task.step
            self.app.changes.cancel_run(task.run, row.status, step=step, task=number)
        elif task.status == "waiting":
            self.app.changes.retry_now(task.run, row.status, step=task.step, task=task.task)
        else:
            self.app.say(f"{task.step}/{task.task} does not wait for a next try: it is {task.status}")

    def action_resume(self) -> None:
        """Run this step and what comes after it again."""
        self.run_worker(self._plan, exclusive=True)

    async def _plan(self) -> None:
        run = self.shown_task.run
        row = await self.app.desk.ask(lambda browser: browser.run(run))
        if row is not None:
            step = self.shown_task.step if row.status == "succeeded" else None
            self.app.plan_resume(run, row.status, step)

    def back(self) -> bool:
        """There is nothing to go back to inside this screen."""
        return False

    def copied(self) -> tuple[str, str]:
        """Return what `y` copies, and what it is."""
        if self._card.has_focus:
            return self._card.text(), "the card"
        if self._log.has_focus and not self._log.is_following:
            return self._log.selected_text, "the line"
        if self.query_one("#artifacts", Listing).has_focus and len(self._rows):
            return self._rows.items[self.query_one("#artifacts", Listing).index][2], "the value"
        if self.shown_task.error_traceback:
            return self.shown_task.error_traceback, "the traceback"
        return (
            f"{self._flow}/{self.shown_task.run}/{self.shown_task.step}/{self.shown_task.task}",
            "the task's id",
        )


def _fact(name: str, value: str) -> list[Span]:
    return [Span(f" {name:<11}", "dim"), Span(value)]


def _used(attempt: AttemptRow, step: StepModel | None) -> str:
    words = []
    if attempt.cpu_s is not None:
        words.append(f"{duration_text(attempt.cpu_s)} of processor")
    if attempt.max_rss_bytes:
        words.append(bytes_text(attempt.max_rss_bytes))
    if step is not None:
        asked = step.node.resources
        wanted = [
            f"{amount:g} {unit}"
            for amount, unit in ((asked.cpu, "cores"), (asked.memory_mb, "MB"), (asked.gpu, "GPU"))
            if amount is not None
        ]
        if wanted:
            words.append(f"asked for {', '.join(wanted)}")
    return ", ".join(words)


def _facts(browser: Browser, run: int, number: int) -> tuple[TaskRow, list[AttemptRow], list[TaskRow]] | None:
    task = browser.task(run, number)
    if task is None:
        return None
    return task, browser.attempts(run, number), browser.children(run, number, limit=_MOST_CHILDREN + 1)


def _artifacts(home: str, key: ManifestKey) -> list[tuple[str, ArtifactRecord, str]] | None:
    """Return name, record and preview of what an attempt left; None while it has left nothing."""
    store = LocalStore(home)
    try:
        manifest = store.read_manifest(*key)
    except StoreError:
        return None
    return [
        (name, record, preview(store, record) if record.size_bytes <= _PREVIEWED else "")
        for name, record in manifest.artifacts.items()
        if not name.startswith("_")
    ]

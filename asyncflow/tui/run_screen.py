"""One run, live or long ago: its steps, tasks, graph, timeline and events above, the log of what is chosen below."""

from __future__ import annotations

import json
import time
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.events import Resize
from textual.screen import Screen
from textual.widgets import ContentSwitcher

from asyncflow.events.browser import TaskQuery
from asyncflow.events.rows import LIVING, TaskRow
from asyncflow.look import Span, glyphs
from asyncflow.store.layout import log_path
from asyncflow.tui.bars import Lines, Tabs
from asyncflow.tui.dialogs import Prompt
from asyncflow.tui.graphpane import GraphPane
from asyncflow.tui.keys import bindings_of, hints_of
from asyncflow.tui.listing import Listing
from asyncflow.tui.logpane import LogPane
from asyncflow.tui.model import RunModel
from asyncflow.tui.rows import EventRows, StepRows, TaskRows, task_place
from asyncflow.tui.runhead import RunHead
from asyncflow.tui.timeline import MOST_TASKS, TimelineRows
from asyncflow.tui.usage import UsageMeter

if TYPE_CHECKING:
    from asyncflow.tui.app import Dashboard

__all__ = ["VIEWS", "RunScreen"]

VIEWS = ("steps", "tasks", "graph", "timeline", "events")
_FRAME_S = 0.1
"""Between two looks for news: ten frames a second at most."""
_TICK_S = 0.5
"""Between two moves of the clock while nothing happens."""
_SORTS = ("attention", "longest", "task")
_WIDE = 150
"""From so many columns on the log stands beside, not below."""


class RunScreen(Screen[None]):
    """Shows a run.

    Args:
        run: Its id.
        model: What is known of it.
    """

    BINDINGS: ClassVar[list[BindingType]] = bindings_of("run")
    app: Dashboard

    def __init__(self, model: RunModel) -> None:
        super().__init__()
        self.model = model
        self.view = "steps"
        self.step: str | None = None
        """The step whose tasks are listed; None: all."""
        self.shown_task: TaskRow | None = None
        """The task whose log is shown."""
        self._texts: dict[str, str] = dict.fromkeys(VIEWS, "")
        self._sort = "attention"
        self._steps = StepRows()
        self._tasks = TaskRows(self._want_tasks)
        self._events = EventRows(self._want_events)
        self._timeline = TimelineRows()
        self._meter = UsageMeter()
        self._is_looking = False
        self._beat = 0
        self._is_stale = True
        """The listing of the view that is on does not show the model's news yet."""

    def compose(self) -> ComposeResult:
        """Make the panes."""
        yield RunHead()
        with Vertical(id="body"):
            with Vertical(id="upper"):
                yield Tabs(VIEWS, id="tabs")
                with ContentSwitcher(initial="steps"):
                    yield Listing(self._steps, empty="No step.", id="steps")
                    yield Listing(self._tasks, empty="No task yet.", id="tasks")
                    yield GraphPane(id="graph")
                    yield Listing(self._timeline, empty="Nothing has begun.", id="timeline")
                    yield Listing(self._events, empty="No event.", id="events")
            with Vertical(id="lower"):
                yield Lines(1, ground="surface", id="logtitle")
                yield LogPane(id="log")
        yield Lines(1, ground="surface", id="hints")

    def on_mount(self) -> None:
        """Show the run, and go on looking."""
        self._log = self.query_one(LogPane)
        self._arrange()
        self._refresh_views(is_forced=True)
        self.query_one("#steps", Listing).focus()
        first = next((step.name for step in self.model.steps.values() if step.counts["failed"]), None)
        self._choose_step_row(first)
        self._follow_step()
        self.set_interval(_FRAME_S, self._look)
        self.set_interval(_TICK_S, self._tick)
        self.set_interval(2.0, self._measure)
        self.watch(self, "focused", self._show_hints)
        self._measure()

    def on_resize(self, _event: Resize) -> None:
        """Lay out anew."""
        self._arrange()
        self._is_stale = True
        self.call_after_refresh(self._refresh_views, is_forced=True)

    # What is shown ---------------------------------------------------------------------------------------------

    def _arrange(self) -> None:
        self.set_class(self.app.size.width >= _WIDE, "wide")

    async def _look(self) -> None:
        """Take in what has happened since the last look."""
        if self._is_looking or not self.is_current:
            return
        self._is_looking = True
        try:
            self._beat += 1
            news = await self.app.desk.news(self.model, force=self._beat % 20 == 0)
            count = self.model.fold(news.events)
            if news.status == "interrupted" or (
                news.status == "running" and self.model.status == "interrupted"
            ):
                self._is_stale |= news.status != self.model.status
                self.model.status = news.status
            self._is_stale |= count > 0
            if count:
                self._refresh_views()
                self._follow_step()
            if self.model.is_over and count:
                self.app.run_ended(self.model)
        finally:
            self._is_looking = False

    def _tick(self) -> None:
        """Let the clock go on."""
        if self.is_current and (not self.model.is_over or self._is_stale):
            self._is_stale = True
            self._refresh_views()

    def _refresh_views(self, *, is_forced: bool = False) -> None:
        """Show the model's news in what is in sight."""
        if not (self._is_stale or is_forced):
            return
        self._is_stale = False
        now = time.time()
        self.query_one(RunHead).show(self.model, now, self._beat // 2)
        self._show_tabs()
        match self.view:
            case "steps":
                self._steps.update(self.model, self._texts["steps"].lower(), now)
                self.query_one("#steps", Listing).update_rows()
            case "tasks":
                self._fetch_tasks()
            case "graph":
                self.query_one(GraphPane).show(self.model)
            case "timeline":
                self._fetch_timeline()
            case _:
                self._events.pages.count = self.model.next_seq
                self._want_events(max(0, self.model.next_seq - 1) // self._events.pages.size)
                self.query_one("#events", Listing).update_rows()
        self._show_log_title()

    def _show_tabs(self) -> None:
        note = []
        if self.view == "tasks":
            note.append(
                Span(
                    f" {glyphs().dot} ".join(
                        (self.step or "all steps", f"{len(self._tasks):,}", f"by {self._sort}")
                    ),
                    "dim",
                )
            )
        if self._texts[self.view]:
            note.append(Span(f"  /{self._texts[self.view]}", "waiting"))
        self.query_one(Tabs).choose(self.view, note)

    def _show_log_title(self) -> None:
        drawn = self.query_one(RunHead).painter.glyphs
        role = "title" if self._log.has_focus else "head"
        left = [Span(f" Log {drawn.dot} ", role), Span(self._log.title or "no task yet", role)]
        self.query_one("#logtitle", Lines).update((left, [Span(f"{self._log.note} ", "dim")]))

    def _show_hints(self) -> None:
        places = ("log", "run", "app") if self._log.has_focus else ("list", "run", "app")
        self.app.show_hints(self.query_one("#hints", Lines), hints_of(*places))
        self._show_log_title()

    def _measure(self) -> None:
        if self.is_current and not self.model.is_over:
            groups = {task.pid for task in self.model.living.values() if task.pid is not None}
            self.run_worker(partial(self._sample, groups), exclusive=True, group="usage")

    async def _sample(self, groups: set[int]) -> None:
        lease = await self.app.desk.ask(lambda browser: browser.lease(self.model.run))
        if lease is not None:
            groups = groups | {lease.pid}
        usage = await self.app.desk.ask(lambda _: self._meter.sample(groups, time.time()))
        for head in self.query(RunHead):  # none, if the dashboard was left meanwhile
            head.usage = usage

    # Pages from the store --------------------------------------------------------------------------------------

    def _query(self) -> TaskQuery:
        text = self._texts["tasks"] or None
        return TaskQuery(run=self.model.run, step=self.step, text=text, sort=self._sort)

    def _want_tasks(self, number: int) -> None:
        self.run_worker(partial(self._load_tasks, number, self._query()), group="tasks")

    async def _load_tasks(self, number: int, query: TaskQuery) -> None:
        size = self._tasks.pages.size
        rows = await self.app.desk.ask(
            lambda browser: browser.page_of_tasks(query, offset=number * size, limit=size)
        )
        if query == self._query():
            self._tasks.pages.put(number, rows)
            self.query_one("#tasks", Listing).refresh()
            if self.view == "tasks":
                self._follow_task_row()

    def _fetch_tasks(self) -> None:
        self.run_worker(self._reload_tasks, exclusive=True, group="reload")

    async def _reload_tasks(self) -> None:
        query = self._query()
        self._tasks.pages.count = await self.app.desk.ask(lambda browser: browser.count_tasks(query))
        listing = self.query_one("#tasks", Listing)
        listing.update_rows()
        top = listing.scroll_offset.y // self._tasks.pages.size
        last = (listing.scroll_offset.y + listing.size.height) // self._tasks.pages.size
        for number in {top, last, listing.index // self._tasks.pages.size}:
            await self._load_tasks(number, query)
        self._show_tabs()

    def _want_events(self, number: int) -> None:
        self.run_worker(partial(self._load_events, number), group="events")

    async def _load_events(self, number: int) -> None:
        size, run = self._events.pages.size, self.model.run
        rows = await self.app.desk.ask(
            lambda browser: browser.page_of_events(run, offset=number * size, limit=size)
        )
        self._events.pages.put(number, rows)
        self.query_one("#events", Listing).refresh()

    def _fetch_timeline(self) -> None:
        self.run_worker(self._load_timeline, exclusive=True, group="timeline")

    async def _load_timeline(self) -> None:
        query = TaskQuery(run=self.model.run, sort="task")
        tasks: list[TaskRow] = []
        if self.model.tasks <= MOST_TASKS:
            tasks = await self.app.desk.ask(
                lambda browser: browser.page_of_tasks(query, offset=0, limit=MOST_TASKS)
            )
        listing = self.query_one("#timeline", Listing)
        self._timeline.update(self.model, tasks, time.time(), listing.size.width)
        listing.update_rows()

    # The log ---------------------------------------------------------------------------------------------------

    def on_listing_moved(self, message: Listing.Moved) -> None:
        """Show the log of what the cursor is on."""
        if message.listing.id == "steps":
            self._follow_step(is_asked=True)
        elif message.listing.id == "tasks":
            self._follow_task_row()
        elif message.listing.id == "timeline":
            name, task = self._timeline.names[message.index]
            self._follow(name, task)

    def _choose_step_row(self, name: str | None) -> None:
        index = None if name is None else self._steps.index_of(name)
        if index is not None:
            self.query_one("#steps", Listing).move_to(index)

    def _follow_step(self, *, is_asked: bool = False) -> None:
        """Show the log of the most telling task of the step under the cursor."""
        if self.view not in ("steps", "graph") or not (is_asked or self._log.is_following):
            return
        step = self._steps.step(self.query_one("#steps", Listing).index)
        if step is not None:
            self._follow(step.name, None)

    def _follow_task_row(self) -> None:
        task = self._tasks.pages.get(self.query_one("#tasks", Listing).index) if len(self._tasks) else None
        if task is not None:
            self._show_task(task)

    def _follow(self, step: str, task: int | None) -> None:
        self.run_worker(partial(self._load_log, step, task), exclusive=True, group="log")

    async def _load_log(self, step: str, task: int | None) -> None:
        run = self.model.run
        if task is not None:
            row = await self.app.desk.ask(lambda browser: browser.task(run, task))
        else:
            query = TaskQuery(run=run, step=step)
            rows = await self.app.desk.ask(lambda browser: browser.page_of_tasks(query, offset=0, limit=1))
            row = rows[0] if rows else None
        if row is None:
            self.shown_task = None
            self._log.show(None, f"{step}: no task yet")
            self._show_log_title()
        else:
            self._show_task(row)

    def _show_task(self, task: TaskRow) -> None:
        self.shown_task = task
        step = self.model.steps.get(task.step)
        of = f" (one of {step.tasks:,})" if step is not None and step.tasks > 1 else ""
        place = task_place(task.step, task.path, task.iteration)
        tries = f" {glyphs().dot} try {task.attempt + 1}" if task.attempt > 0 else ""
        self._log.show(log_path(self.app.home, *task.key), f"{task.step}/{task.task} {place}{tries}{of}")
        self._show_log_title()

    # What keys do ----------------------------------------------------------------------------------------------

    def on_listing_chosen(self, message: Listing.Chosen) -> None:
        """Open a step's tasks, a task, an event."""
        match message.listing.id:
            case "steps":
                step = self._steps.step(message.index)
                if (
                    step is not None
                    and step.tasks == 1
                    and self.shown_task is not None
                    and self.shown_task.step == step.name
                ):
                    self.app.open_task(self.shown_task)
                elif step is not None:
                    self.step = step.name
                    self._texts["tasks"] = ""
                    self.action_view("tasks")
            case "tasks":
                task = self._tasks.pages.get(message.index)
                if task is not None:
                    self.app.open_task(task)
            case "timeline":
                if self.shown_task is not None:
                    self.app.open_task(self.shown_task)
            case _:
                found = self._events.plain(message.index)
                if found:
                    self.app.read(f"Event {message.index}", json.dumps(json.loads(found), indent=2))

    def on_tabs_asked(self, message: Tabs.Asked) -> None:
        """Go to the view that was clicked."""
        self.action_view(message.name)

    def on_log_pane_told(self, message: LogPane.Told) -> None:
        """Say what a search has to say."""
        self.app.say(message.text)

    def on_log_pane_pager_asked(self, _message: LogPane.PagerAsked) -> None:
        """Open the log in $PAGER."""
        if self._log.log_file is not None:
            self.app.page_log(self._log.log_file.path)

    def action_view(self, name: str) -> None:
        """Show another view; tasks of all steps when they are asked for a second time."""
        if name == self.view == "tasks":
            self.step = None
        if name != self.view or name == "tasks":
            self.view = name
            self.query_one(ContentSwitcher).current = name
            if name == "tasks":
                self._tasks.pages.forget()
                self.query_one("#tasks", Listing).index = 0
            if not self._log.has_focus:
                self.query_one(f"#{name}").focus()
            self._refresh_views(is_forced=True)
            self.call_after_refresh(self._refresh_views, is_forced=True)

    def back(self) -> bool:
        """Go one step back inside the screen; tell whether there was one."""
        if self._texts[self.view]:
            self._set_filter("")
            return True
        if self.view != "steps":
            self.step = None
            self.action_view("steps")
            return True
        return False

    def action_filter(self) -> None:
        """Ask for a filter of the listing, or for what to search in the log."""
        if self._log.has_focus:
            self.app.push_screen(
                Prompt(
                    "Search the log",
                    self._log.query_text,
                    "text or regular expression; small letters match both",
                ),
                self._search,
            )
        elif self.view in ("steps", "tasks"):
            self.app.push_screen(
                Prompt(f"Filter {self.view}", self._texts[self.view], "part of a name, status or error"),
                lambda text: None if text is None else self._set_filter(text),
            )
        else:
            self.app.say("Tab to the log to search it, or filter steps (1) and tasks (2)")

    def _search(self, text: str | None) -> None:
        if text is not None:
            self._log.search(text)
            self._show_log_title()

    def _set_filter(self, text: str) -> None:
        self._texts[self.view] = text.strip()
        self._tasks.pages.forget()
        self._refresh_views(is_forced=True)

    def action_sort(self) -> None:
        """List tasks in another order."""
        self._sort = _SORTS[(_SORTS.index(self._sort) + 1) % len(_SORTS)]
        self._tasks.pages.forget()
        self._refresh_views(is_forced=True)

    def action_neighbour(self, distance: int) -> None:
        """Show the log of the step's task before or after."""
        if self.shown_task is None:
            return
        self.run_worker(partial(self._step_aside, self.shown_task, distance), exclusive=True, group="log")

    async def _step_aside(self, task: TaskRow, distance: int) -> None:
        run = self.model.run
        row = await self.app.desk.ask(lambda browser: browser.neighbour(run, task.step, task.task, distance))
        if row is not None:
            self._show_task(row)

    def action_cancel(self) -> None:
        """Cancel the run, or the step or task under the cursor."""
        step, task = self._under_cursor()
        self.app.changes.cancel_run(self.model.run, self.model.status, step=step, task=task)

    def action_retry(self) -> None:
        """Let the task or the step under the cursor wait no longer."""
        step, task = self._under_cursor()
        if step is not None:
            self.app.changes.retry_now(self.model.run, self.model.status, step=step, task=task)

    def _under_cursor(self) -> tuple[str | None, int | None]:
        """Return step and task that live under the cursor; None: none."""
        if self.view == "tasks":
            row = self._tasks.pages.get(self.query_one("#tasks", Listing).index) if len(self._tasks) else None
            is_living = row is not None and row.status in LIVING
            return (row.step, row.task) if row is not None and is_living else (None, None)
        step = self._steps.step(self.query_one("#steps", Listing).index)
        is_living = step is not None and step.ended < step.tasks
        return (step.name if step is not None and is_living and self.view == "steps" else None), None

    def action_workers(self) -> None:
        """Change --max-workers."""
        self.app.changes.change_workers(self.model)

    def action_resume(self) -> None:
        """Resume the run from the step under the cursor, or where it stopped."""
        step = None
        if self.model.status == "succeeded" and self.view == "steps":
            chosen = self._steps.step(self.query_one("#steps", Listing).index)
            step = None if chosen is None else chosen.name
        self.app.plan_resume(self.model.run, self.model.status, step)

    def action_compare(self) -> None:
        """Compare with the flow's run before this one."""
        self.app.compare_with_previous(self.model)

    def copied(self) -> tuple[str, str]:
        """Return what `y` copies, and what it is."""
        task = self.shown_task
        if self._log.has_focus:
            return self._log.selected_text, "the line"
        if self.view == "events":
            return self._events.plain(self.query_one("#events", Listing).index), "the event"
        if task is None:
            return str(self.model.run), "the run's id"
        if task.status == "failed" and task.error_traceback:
            return task.error_traceback, "the traceback"
        return f"{self.model.flow}/{self.model.run}/{task.step}/{task.task}", "the task's id"


def _told(*parts: str) -> str:
    return f" {glyphs().dot} ".join(parts)

"""Everything that ever ran, newest first; more is fetched as one goes down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen

from asyncflow.events.browser import Browser
from asyncflow.events.rows import RunRow
from asyncflow.look import Span
from asyncflow.tui.bars import Lines
from asyncflow.tui.dialogs import Prompt
from asyncflow.tui.keys import bindings_of, hints_of
from asyncflow.tui.listing import Listing
from asyncflow.tui.query import RunQuery, parse_query
from asyncflow.tui.rows import RunRows

if TYPE_CHECKING:
    from asyncflow.tui.app import Dashboard

__all__ = ["RunsScreen"]

_PAGE = 200
_LOOKED_AT = 1000
"""Rows looked at in one go while a text is searched."""
_LOOK_S = 0.5


class RunsScreen(Screen[None]):
    """The list of runs."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_of("runs")
    app: Dashboard

    def __init__(self) -> None:
        super().__init__()
        self._rows = RunRows()
        self._rows.on_tail = self._fetch_more
        self._text = ""
        self._query = RunQuery()
        self._is_whole = False
        self._is_fetching = False
        self._is_looking = False
        self._beat = 0

    def compose(self) -> ComposeResult:
        """Make the panes."""
        yield Lines(1, id="head")
        yield Listing(self._rows, empty="No run. Start one: asyncflow run FLOW.py", id="runs")
        yield Lines(1, ground="surface", id="hints")

    def on_mount(self) -> None:
        """Show the first page, and go on looking."""
        self.query_one(Listing).focus()
        self.run_worker(self._reload, exclusive=True, group="reload")
        self.set_interval(_LOOK_S, self._look)
        self.app.show_hints(self.query_one("#hints", Lines), hints_of("runs", "list", "app"))

    async def _look(self) -> None:
        """Show what is new, when somebody has written to the store or lives in it."""
        if self._is_looking or not self.is_current:
            return
        self._is_looking = True
        try:
            self._beat += 1
            is_living = any(row.status == "running" for row in self._rows.rows[:50])
            has_changed = await self.app.desk.ask(lambda browser: browser.has_changed())
            if has_changed or (is_living and self._beat % 4 == 0):
                await self._reload()
        finally:
            self._is_looking = False

    async def _reload(self) -> None:
        """Fetch again as many rows as there are, one page at least; the cursor stays on its run."""
        query, many = self._query, max(_PAGE, min(len(self._rows), 1000))
        rows, is_whole, tags = await self.app.desk.ask(lambda browser: _fetch(browser, query, None, many))
        if query != self._query:
            return
        listing = self.query_one(Listing)
        chosen = self._chosen()
        self._rows.rows = [*rows, *self._older_than(rows)]
        self._is_whole = is_whole
        self._rows.tags.update(tags)
        if chosen is not None and listing.index:
            places = {row.run: index for index, row in enumerate(self._rows.rows)}
            listing.index = places.get(chosen.run, listing.index)
        listing.update_rows()
        self._show_head()

    def _older_than(self, rows: Sequence[RunRow]) -> list[RunRow]:
        if not rows or len(rows) < 1000:
            return []
        return [row for row in self._rows.rows if row.run < rows[-1].run]

    def _fetch_more(self) -> None:
        if not (self._is_whole or self._is_fetching):
            self._is_fetching = True
            self.run_worker(self._append, group="more")

    async def _append(self) -> None:
        try:
            query = self._query
            last = self._rows.rows[-1].run if self._rows.rows else None
            rows, is_whole, tags = await self.app.desk.ask(
                lambda browser: _fetch(browser, query, last, _PAGE)
            )
            if query == self._query and (not self._rows.rows or self._rows.rows[-1].run == last):
                self._rows.rows.extend(rows)
                self._rows.tags.update(tags)
                self._is_whole = is_whole
                self.query_one(Listing).update_rows()
                self._show_head()
        finally:
            self._is_fetching = False

    def _show_head(self) -> None:
        more = "" if self._is_whole else "+"
        left = [Span(" asyncflow", "title"), Span(f"  {len(self._rows):,}{more} runs", "text")]
        if self._text:
            left.append(Span(f"   /{self._text}", "waiting"))
        if self._rows.marked is not None:
            left.append(Span(f"   run {self._rows.marked} marked: c compares", "waiting"))
        self.query_one("#head", Lines).update((left, [Span(f"{self.app.home} ", "dim")]))

    def _chosen(self) -> RunRow | None:
        index = self.query_one(Listing).index
        return self._rows.rows[index] if index < len(self._rows) else None

    def on_listing_chosen(self, message: Listing.Chosen) -> None:
        """Open a run."""
        self.app.open_run(self._rows.rows[message.index].run)

    def action_filter(self) -> None:
        """Ask for a query."""
        hint = "flow:NAME status:failed tag:T user:U since:2d, or any text"
        self.app.push_screen(Prompt("Filter runs", self._text, hint), self._set_filter)

    def _set_filter(self, text: str | None) -> None:
        if text is None:
            return
        query, problem = parse_query(text)
        if problem:
            self.app.say(problem)
            return
        self._text, self._query = text.strip(), query
        self._rows.rows, self._is_whole = [], False
        self.query_one(Listing).index = 0
        self.run_worker(self._reload, exclusive=True, group="reload")

    def back(self) -> bool:
        """Take the filter away; tell whether there was one."""
        if self._text:
            self._set_filter("")
            return True
        return False

    def action_mark(self) -> None:
        """Mark a run, or take the mark away."""
        row = self._chosen()
        if row is not None:
            self._rows.marked = None if self._rows.marked == row.run else row.run
            self.query_one(Listing).refresh()
            self._show_head()

    def action_compare(self) -> None:
        """Compare the marked run with this one."""
        row = self._chosen()
        if row is None or self._rows.marked in (None, row.run):
            self.app.say("Mark a run with m, go to another, and press c")
        else:
            self.app.compare_runs(self._rows.marked, row.run)

    def action_resume(self) -> None:
        """Resume this run."""
        row = self._chosen()
        if row is not None:
            self.app.plan_resume(row.run, row.status, None)

    def action_tag(self) -> None:
        """Put tags on this run, or take them off."""
        row = self._chosen()
        if row is not None:
            self.app.changes.edit_tags(row.run, self._rows.tags.get(row.run, ()))

    def action_cancel(self) -> None:
        """Cancel this run."""
        row = self._chosen()
        if row is not None:
            self.app.changes.cancel_run(row.run, row.status)

    def copied(self) -> tuple[str, str]:
        """Return what `y` copies, and what it is."""
        row = self._chosen()
        return ("", "") if row is None else (str(row.run), "the run's id")


def _fetch(
    browser: Browser, query: RunQuery, before: int | None, many: int
) -> tuple[list[RunRow], bool, dict[int, list[str]]]:
    """Return runs, whether these are the last ones, and their tags."""
    found: list[RunRow] = []
    is_whole = False
    while len(found) < many and not is_whole:
        limit = _LOOKED_AT if query.words else many - len(found)
        rows = browser.runs(
            flow=query.flow,
            user=query.user,
            status=query.status,
            tags=query.tags,
            since=query.since,
            before=before,
            limit=limit,
        )
        is_whole = len(rows) < limit
        if rows:
            before = rows[-1].run
        found += [row for row in rows if query.has(row)] if query.words else rows
    tags = browser.tags_between(found[-1].run, found[0].run) if found else {}
    return found, is_whole, tags

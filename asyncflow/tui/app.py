"""The dashboard: its screens, and what can be done from each of them."""

from __future__ import annotations

import asyncio
import os
import signal
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from rich.text import Text
from textual.app import App, InvalidThemeError, SystemCommand
from textual.binding import BindingType
from textual.css.query import NoMatches
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.screen import Screen
from textual.theme import Theme
from textual.worker import NoActiveWorker, WorkerFailed, get_current_worker

from asyncflow.events.rows import TaskRow
from asyncflow.look import PALETTES, Palette, Span, is_ascii, palette_named
from asyncflow.text import one_line, visible
from asyncflow.tui.bars import Lines
from asyncflow.tui.cardpane import CardPane
from asyncflow.tui.changes import Changes
from asyncflow.tui.compare import CompareScreen
from asyncflow.tui.desk import Desk
from asyncflow.tui.dialogs import Choice, Help, Reading
from asyncflow.tui.driver import LastingDriver
from asyncflow.tui.keys import PLACES, bindings_of
from asyncflow.tui.listing import Listing
from asyncflow.tui.logpane import LogPane
from asyncflow.tui.model import RunModel
from asyncflow.tui.outside import dry_run, page_file
from asyncflow.tui.run_screen import VIEWS, RunScreen
from asyncflow.tui.runs_screen import RunsScreen
from asyncflow.tui.task_screen import TaskScreen

__all__ = ["Dashboard", "Leave"]

THEME_VARIABLE = "ASYNCFLOW_THEME"
_PATIENCE_S = 2
"""How long a terminal may take our last bytes, once we were told to leave."""


@dataclass(frozen=True, slots=True)
class Leave:
    """Why the dashboard was left."""

    kind: str
    """`over` (the watched run ended), `quit`, `detach`, `resume`, `told` (by a signal)."""
    run: int | None = None
    step: str | None = None


class Dashboard(App[Leave]):
    """Browses a store; live when a run is.

    Args:
        home: The store's directory.
        run: The run to begin with; None: the list of runs.
        task: The task to begin with, of that run.
        is_watching: The dashboard was begun together with that run, and ends with it.
        is_read_only: Nothing that changes a run can be done.
        stream: Shows a run as plain lines until a key is pressed; None: there is none.
    """

    CSS_PATH = "dashboard.tcss"
    TITLE = "asyncflow"
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = bindings_of("app")

    def __init__(
        self,
        home: str,
        *,
        run: int | None = None,
        task: int | None = None,
        is_watching: bool = False,
        is_read_only: bool = False,
        stream: Callable[[int], None] | None = None,
    ) -> None:
        super().__init__()
        self.home = home
        self.desk = Desk(home, self._tell_problem)
        self._run = run
        self._first_task = task
        self._is_watching = is_watching
        self.changes = Changes(self, is_read_only=is_read_only)
        self._stream = stream
        self._is_touched = False
        self._is_zoomed = False
        self.told_by = 0
        """The signal that ended the dashboard."""
        self._handlers_before: dict[int, Any] = {}  # Any: what `signal.signal` returns
        for palette in PALETTES.values():
            self.register_theme(_theme(palette))
        self.theme = palette_named(os.environ.get(THEME_VARIABLE, "")).name

    async def on_mount(self) -> None:
        """Show the first screen."""
        if not self.is_headless:
            self._hear_signals(asyncio.get_running_loop())
        self.set_class(is_ascii(), "ascii")
        self.animation_level = "none"
        if self._run is None:
            await self.push_screen(RunsScreen())
            return
        model = await self.desk.open_run(self._run)
        if model is None:
            await self.push_screen(RunsScreen())
            self.say(f"There is no run {self._run}")
            return
        await self.push_screen(RunScreen(model))
        if self._first_task is not None:
            row = await self.desk.ask(lambda browser: browser.task(model.run, self._first_task or 0))
            if row is not None:
                self.open_task(row)
        if self._is_watching and model.is_over:
            self.exit(Leave("over", model.run))

    def _hear_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        """Leave when we are told to, in time, whatever the terminal does.

        The handlers are the system's and not the loop's: a terminal that takes nothing (a stopped line) may hold the
        loop itself, where it waits for room for what it would write.
        """

        def told(number: int, _frame: object) -> None:
            if self.told_by:
                return
            self.told_by = number
            signal.alarm(_PATIENCE_S)
            loop.call_soon_threadsafe(self._leave_as_told)

        signal.signal(signal.SIGALRM, lambda _number, _frame: os._exit(128 + self.told_by))
        for number in (signal.SIGTERM, signal.SIGHUP):
            self._handlers_before[number] = signal.signal(number, told)

    def _leave_as_told(self) -> None:
        self.exit(Leave("told", self._run))

    def terminal_has_gone(self) -> None:
        """Leave as if the hang-up had been told; whoever is no leader of a session may not be told it."""
        os.kill(os.getpid(), signal.SIGHUP)

    def get_driver_class(self) -> type[Driver]:
        """Return what drives the terminal: one that lasts, unless another was asked for by TEXTUAL_DRIVER."""
        chosen = super().get_driver_class()
        return LastingDriver if chosen is LinuxDriver else chosen

    def on_unmount(self) -> None:
        """Let go of the store, and of the signals unless one of them is why we leave."""
        self.desk.close()
        if not self.told_by:
            for number, handler in self._handlers_before.items():
                signal.signal(number, handler)

    def on_key(self) -> None:
        """Note that somebody is at the keys, who does not want the dashboard to vanish at the run's end."""
        self._is_touched = True

    def _handle_exception(self, error: Exception) -> None:
        """End with a bug; an answer that came while its screen was being taken apart is none."""
        if not _is_late(error):
            super()._handle_exception(error)

    def _fatal_error(self) -> None:
        """Show a bug as a plain traceback: no values of variables, no markup."""
        self.bell()
        self._exit_renderables.append(Text(visible(traceback.format_exc())))
        self._close_messages_no_wait()

    # What screens ask for ----------------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        """Say something in passing."""
        self.notify(one_line(text, 300), markup=False, timeout=4)

    def _tell_problem(self, text: str) -> None:
        """Say, from another thread, that the bucket cannot be read: what is shown may be old."""
        if self.is_running:
            self.call_from_thread(self.say, f"What others do is not seen: {text}")

    def read(self, title: str, text: str) -> None:
        """Show a text on a page of its own."""
        self.push_screen(Reading(title, text))

    def show_hints(self, line: Lines, hints: Sequence[tuple[str, str]]) -> None:
        """Show keys in the line at the bottom."""
        spans: list[Span] = []
        for keys, help_ in hints:
            spans += [Span(f" {keys}", "key"), Span(f" {help_} ", "dim")]
        line.update((spans, []))

    def open_run(self, run: int) -> None:
        """Show a run."""
        self.run_worker(partial(self._open_run, run), exclusive=True, group="open")

    async def _open_run(self, run: int) -> None:
        model = await self.desk.open_run(run)
        if model is None:
            self.say(f"There is no run {run}, or its log is damaged: asyncflow doctor")
        else:
            await self.push_screen(RunScreen(model))

    def open_task(self, task: TaskRow) -> None:
        """Show a task."""
        under = next(
            (screen for screen in reversed(self.screen_stack) if isinstance(screen, RunScreen)), None
        )
        flow = "" if under is None else under.model.flow
        self.push_screen(TaskScreen(flow, task, None if under is None else under.model.steps.get(task.step)))

    def compare_runs(self, left: int | None, right: int) -> None:
        """Show two runs side by side."""
        if left is not None:
            self.push_screen(CompareScreen(min(left, right), max(left, right)))

    def compare_with_previous(self, model: RunModel) -> None:
        """Compare a run with the flow's run before it."""
        self.run_worker(partial(self._compare, model), exclusive=True, group="open")

    async def _compare(self, model: RunModel) -> None:
        rows = await self.desk.ask(lambda browser: browser.runs(flow=model.flow, before=model.run, limit=1))
        if rows:
            self.compare_runs(rows[0].run, model.run)
        else:
            self.say(f"Run {model.run} is the first of {model.flow}")

    def run_ended(self, model: RunModel) -> None:
        """End with the run that is watched, unless somebody looks around."""
        if self._is_watching and model.run == self._run:
            if self._is_touched:
                self.say(f"Run {model.run} has ended: {model.status}. q leaves.")
            else:
                self.exit(Leave("over", model.run))

    # What changes a run ------------------------------------------------------------------------------------------

    def plan_resume(self, run: int, status: str, step: str | None) -> None:
        """Show what a resume would do; then, if it is wanted, leave and do it."""
        if status == "running":
            self.say(f"Run {run} is running")
        elif self._is_watching and self._run != run:
            self.say(f"First leave run {self._run}, then: asyncflow resume {run}")
        else:
            self.run_worker(lambda: self._plan(run, step), thread=True, exclusive=True, group="plan")
            self.say(f"Looking what a resume of run {run} would do")

    def _plan(self, run: int, step: str | None) -> None:
        code, text = dry_run(self.home, run, step)
        self.call_from_thread(self._show_plan, run, step, code, text)

    def _show_plan(self, run: int, step: str | None, code: int, text: str) -> None:
        command = f"asyncflow resume {run} {step or ''}".strip()
        action = command if code == 0 and not self.changes.is_read_only else ""
        self.push_screen(
            Reading(f"{command} --dry-run", text, action),
            lambda is_wanted: self.exit(Leave("resume", run, step)) if is_wanted else None,
        )

    # What keys do ------------------------------------------------------------------------------------------------

    def action_help(self) -> None:
        """Show the keys of where one is."""
        places = []
        if isinstance(self.focused, LogPane):
            places.append("log")
        elif isinstance(self.focused, CardPane):
            places.append("card")
        elif isinstance(self.focused, Listing):
            places.append("list")
        name = {RunsScreen: "runs", RunScreen: "run", TaskScreen: "task"}.get(type(self.screen))
        if name is not None:
            places.append(name)
        if not isinstance(self.screen, Help):
            self.push_screen(Help([place for place in places if place in PLACES] or ["app"]))

    def action_go_back(self) -> None:
        """Go one step back; from the first screen there is nowhere to go."""
        if self._is_zoomed:
            self.action_zoom()
            return
        back: Callable[[], bool] = getattr(self.screen, "back", lambda: False)
        if back():
            return
        if len(self.screen_stack) > 2:
            self.pop_screen()
        elif isinstance(self.screen, RunScreen) and not self._is_watching:
            self.switch_screen(RunsScreen())

    def action_leave(self) -> None:
        """Leave; ask when the run that is watched goes on."""
        watched = self._watched()
        if watched is not None and not watched.is_over:
            self.action_ask_quit()
        else:
            self.exit(Leave("quit" if watched is None else "over", self._run))

    def action_ask_quit(self) -> None:
        """Ask: cancel, detach, or stay. Where no run is watched, leave."""
        if isinstance(self.screen, Choice):
            self.screen.repeat()
            return
        living = self._living()
        if living is None:
            self.action_leave_now()
            return
        run = living.run
        choices = (
            ("c", "cancel", "stop the run; its tasks have ten seconds to end"),
            ("d", "detach", f"leave; the run goes on (back: asyncflow tui {run})"),
            ("s", "stay", "go on looking"),
        )
        self.push_screen(
            Choice(f"Run {run} is running.", "", choices), lambda answer: self._quit(run, answer)
        )

    def action_leave_now(self) -> None:
        """Leave without a question."""
        self.exit(Leave("over" if self._watched() is not None else "quit", self._run))

    def _quit(self, run: int, answer: str | None) -> None:
        if answer == "detach":
            self.exit(Leave("detach", run))
        elif answer == "cancel":
            if self.changes.is_read_only:
                self.say("This dashboard is read-only")
                return
            self.changes.request(run, "cancel", {"force": self._is_stopping(run)}, f"Asked run {run} to stop")
            self._is_touched = False  # who cancels wants to see the end, and then the prompt

    def _is_stopping(self, run: int) -> bool:
        model = self._living()
        return model is not None and model.run == run and bool(model.stopping)

    def _watched(self) -> RunModel | None:
        if not self._is_watching:
            return None
        return next(
            (s.model for s in self.screen_stack if isinstance(s, RunScreen) and s.model.run == self._run),
            None,
        )

    def _living(self) -> RunModel | None:
        """Return the run that is looked at, if it is running."""
        for screen in reversed(self.screen_stack):
            if isinstance(screen, RunScreen):
                return None if screen.model.is_over else screen.model
        return None

    def action_copy(self) -> None:
        """Copy what is under the cursor."""
        copied: Callable[[], tuple[str, str]] = getattr(self.screen, "copied", lambda: ("", ""))
        text, what = copied()
        if text:
            self.copy_to_clipboard(text)
            self.say(f"Copied {what}: {text}")

    def action_zoom(self) -> None:
        """Give the pane the whole screen, and back; meanwhile the terminal selects text with the mouse."""
        self._is_zoomed = not self._is_zoomed
        name = "zoomed-log" if isinstance(self.focused, LogPane | CardPane) else "zoomed-upper"
        for each in ("zoomed-log", "zoomed-upper"):
            self.screen.set_class(self._is_zoomed and each == name, each)
        driver = self._driver
        if driver is not None and not self.is_headless:
            driver.write(
                "\x1b[?1000l\x1b[?1002l\x1b[?1003l"
                if self._is_zoomed
                else "\x1b[?1000h\x1b[?1003h\x1b[?1006h"
            )

    def action_next_theme(self) -> None:
        """Take the next theme."""
        names = list(PALETTES)
        at = names.index(self.theme) if self.theme in names else -1
        self.theme = names[(at + 1) % len(names)]
        self.say(f"Theme: {PALETTES[self.theme].title}")

    def action_stream(self) -> None:
        """Show the run as plain lines until a key is pressed."""
        model = next((s.model for s in reversed(self.screen_stack) if isinstance(s, RunScreen)), None)
        if model is None or self._stream is None or self.is_headless:
            self.say("There is no plain stream here")
            return
        with self.suspend():
            self._stream(model.run)
        self.refresh(layout=True)

    def page_log(self, path: str) -> None:
        """Open a log in $PAGER."""
        if self.is_headless:
            return
        with self.suspend():
            problem = page_file(path)
        if problem:
            self.say(problem)
        self.refresh(layout=True)

    def get_system_commands(self, screen: Screen[object]) -> Sequence[SystemCommand]:  # type: ignore[override]
        """Return what the command palette offers."""
        commands = [
            SystemCommand("Help", "The keys of where you are", self.action_help),
            SystemCommand("Runs", "The list of all runs", lambda: self._to_runs()),
            SystemCommand("Copy", "What is under the cursor", self.action_copy),
            SystemCommand("Zoom", "This pane alone", self.action_zoom),
            SystemCommand("Quit", "Leave the dashboard", self.action_leave),
        ]
        for name, palette in PALETTES.items():
            commands.append(
                SystemCommand(f"Theme: {palette.title}", "Colours", lambda name=name: self._take(name))
            )
        if isinstance(screen, RunScreen):
            commands += _commands_of(screen, self.action_stream)
        return commands

    def _take(self, theme: str) -> None:
        try:
            self.theme = theme
        except InvalidThemeError:
            self.say(f"There is no theme {theme}")

    def _to_runs(self) -> None:
        if any(isinstance(screen, RunsScreen) for screen in self.screen_stack):
            while not isinstance(self.screen, RunsScreen):
                self.pop_screen()
        else:
            self.push_screen(RunsScreen())


def _is_late(error: Exception) -> bool:
    """Tell whether work of a screen found nothing to be shown on, as that screen is on its way out.

    Textual removes what is on a screen first and cancels the screen's work after that.
    """
    if not isinstance(error, WorkerFailed) or not isinstance(error.error, NoMatches):
        return False
    try:
        screen = get_current_worker().node
    except NoActiveWorker:
        return False
    return isinstance(screen, Screen) and not screen.display  # which is so from the beginning of its end


def _commands_of(screen: RunScreen, stream: Callable[[], None]) -> list[SystemCommand]:
    """Return what can be done with one run."""
    views = [
        SystemCommand(f"View: {name}", "Of this run", lambda name=name: screen.action_view(name))
        for name in VIEWS
    ]
    return [
        *views,
        SystemCommand("Cancel the run", "asyncflow cancel", screen.action_cancel),
        SystemCommand("Change --max-workers", "Of the living run", screen.action_workers),
        SystemCommand("Resume the run", "The plan is shown first", screen.action_resume),
        SystemCommand("Compare with the run before", "Side by side", screen.action_compare),
        SystemCommand("Plain stream", "And back with any key", stream),
    ]


def _theme(palette: Palette) -> Theme:
    return Theme(
        name=palette.name,
        primary=palette.accent,
        secondary=palette.cached,
        warning=palette.waiting,
        error=palette.bad,
        success=palette.good,
        accent=palette.accent,
        foreground=palette.text,
        background=palette.background,
        surface=palette.surface,
        panel=palette.panel,
        dark=palette.is_dark,
    )

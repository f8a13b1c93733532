"""What the dashboard asks of living runs, through the store, after it asked whoever sits there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from asyncflow.client.changing import post_request
from asyncflow.errors import StoreError
from asyncflow.tui.dialogs import Choice, Prompt, cancel_question
from asyncflow.tui.model import RunModel
from asyncflow.tui.tagging import set_tags, tags_question
from asyncflow.users import user_name

if TYPE_CHECKING:
    from asyncflow.tui.app import Dashboard

__all__ = ["Changes"]


class Changes:
    """Asks, then posts requests; says why not where that cannot be.

    Args:
        app: The dashboard whose screens it uses.
        is_read_only: Nothing that changes a run can be done.
    """

    def __init__(self, app: Dashboard, *, is_read_only: bool) -> None:
        self._app = app
        self.is_read_only = is_read_only

    def cancel_run(self, run: int, status: str, *, step: str | None = None, task: int | None = None) -> None:
        """Ask what is meant, a task, its step or the run; then cancel that."""
        if not self.may_change(run, status):
            return
        title, more, choices = cancel_question(run, step, task)
        self._app.push_screen(
            Choice(title, more, choices), lambda answer: self._cancel(run, step, task, answer)
        )

    def _cancel(self, run: int, step: str | None, task: int | None, answer: str | None) -> None:
        match answer:
            case "cancel" | "kill":
                self.request(run, "cancel", {"force": answer == "kill"}, f"Asked run {run} to stop")
            case "step":
                self.request(run, "cancel", {"step": step}, f"Asked the tasks of {step} to stop")
            case "task":
                self.request(run, "cancel", {"step": step, "task": task}, f"Asked {step}/{task} to stop")
            case _:
                return

    def retry_now(self, run: int, status: str, *, step: str, task: int | None = None) -> None:
        """Let tasks that wait for their next try have it at once."""
        if self.may_change(run, status):
            what = step if task is None else f"{step}/{task}"
            self.request(run, "retry", {"step": step, "task": task}, f"Asked to try {what} now")

    def change_workers(self, model: RunModel) -> None:
        """Ask for a number, then change --max-workers."""
        if self.may_change(model.run, model.status):
            title = f"--max-workers of run {model.run}"
            self._app.push_screen(
                Prompt(title, str(model.slots), "a number"), lambda text: self._set_workers(model.run, text)
            )

    def _set_workers(self, run: int, text: str | None) -> None:
        if text is None:
            return
        if not text.strip().isdigit() or int(text) < 1:
            self._app.say(f"'{text}' is no number of workers")
            return
        self.request(run, "limits", {"slots": int(text)}, f"Asked run {run} for {int(text)} workers")

    def edit_tags(self, run: int, tags: Sequence[str]) -> None:
        """Ask for tags, then put them on a run or take them off."""
        if self.is_read_only:
            self._app.say("This dashboard is read-only")
        else:
            title, hint = tags_question(run, tags)
            self._app.push_screen(Prompt(title, "", hint), lambda text: self._set_tags(run, text or ""))

    def _set_tags(self, run: int, text: str) -> None:
        self._app.run_worker(
            lambda: self._app.call_from_thread(self._app.say, set_tags(self._app.desk.path, run, text)),
            thread=True,
        )

    def may_change(self, run: int, status: str) -> bool:
        """Tell whether a run can be changed; say why not."""
        if self.is_read_only:
            self._app.say("This dashboard is read-only")
        elif status != "running":
            self._app.say(f"Run {run} does not run: it is {status}")
        else:
            return True
        return False

    def request(self, run: int, kind: str, args: dict[str, object], told: str) -> None:
        """Post a request, and say so."""
        by = f"{user_name()} (asyncflow tui)"
        try:
            post_request(self._app.desk.path, run, kind, args, by=by)
        except StoreError as error:
            self._app.say(error.message)
        else:
            self._app.say(told)

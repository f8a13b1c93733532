"""`asyncflow why`: why a task ran, or was taken over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from asyncflow.cli import terminal
from asyncflow.cli.errors import CommandError, NotFoundError
from asyncflow.cli.group import OurCommand
from asyncflow.cli.reading import OpenStore, open_store
from asyncflow.cli.runid import Target, find_target
from asyncflow.cli.script import Script
from asyncflow.cli.terminal import Span, Style

if TYPE_CHECKING:
    from asyncflow.client.causes import Causes, Change
    from asyncflow.events.rows import TaskRow

__all__ = ["command"]

_HELP = """Say why a task ran, or was taken over.

\b
  asyncflow why 42/train        the step's first task that ran, or its first one
  asyncflow why 42/train/7

A task of a step with @cache runs when something that it is made of has changed: its code, or what it read. Shown is
what is not as it was in the run before, for code with a diff, and what the task read.
"""

_MOST_LINES = 40
_WORDS = {"code": "", "read": "", "file": "File ", "env": "Environment variable ", "setting": "The "}


def command(script: Script | None = None) -> click.Command:
    """Make the command."""

    def why(path: str, is_json: bool) -> None:
        with open_store() as store:
            target = find_target(store.reader, path, None if script is None else script.class_name)
            task = _task_of(store, target, path)
            causes = _causes(store, target, task)
        if is_json:
            _tell_json(causes)
        else:
            _tell(causes)

    parameters: list[click.Parameter] = [
        click.Argument(["path"], metavar="RUN/STEP[/TASK]"),
        click.Option(["--json", "is_json"], is_flag=True, help="Write one JSON object."),
    ]
    return OurCommand(name="why", params=parameters, callback=why, help=_HELP)


def _task_of(store: OpenStore, target: Target, path: str) -> TaskRow:
    if target.task is not None:
        return target.task
    if target.step is None:
        raise CommandError(
            f"'{path}' is a whole run; why is about a task of it",
            hint=f"Write {target.run.run}/STEP or {target.run.run}/STEP/TASK.",
        )
    tasks = store.reader.tasks(target.run.run, step=target.step)
    if not tasks:
        raise NotFoundError(f"Step {target.step} of run {target.run.run} has no task yet")
    return next((task for task in tasks if task.status != "cloned"), tasks[0])


def _causes(store: OpenStore, target: Target, task: TaskRow) -> Causes:
    from asyncflow.client.causes import causes_of
    from asyncflow.client.place import place_at

    name = f"{target.run.run}/{task.step}/{task.task}"
    if task.origin is not None:
        raise CommandError(
            f"Task {name} was taken over when run {target.run.origin_run} was resumed",
            hint=f"Ask why it ran there: asyncflow why {task.origin.run}/{task.step}/{task.origin.task}",
        )
    place = place_at(store.home)
    if not place.store.has_manifest(*task.key):
        raise CommandError(
            f"Task {name} left no result: it is {task.status}",
            hint=f"See what it printed: asyncflow logs {name}",
        )
    return causes_of(place, target.run, task)


def _tell(causes: Causes) -> None:
    terminal.out(_headline(causes))
    for change in causes.changes:
        terminal.out()
        _tell_change(change)
    terminal.out()
    terminal.out("It read ", ", ".join(causes.reads) if causes.reads else "nothing that it was given", ".")


def _headline(causes: Causes) -> str:
    name = f"Task {causes.run}/{causes.step}/{causes.task}"
    if causes.reused is not None:
        made = f"task {causes.reused.task} of run {causes.reused.run}"
        return f"{name} was taken over from {made}: its code and all that it read are the same."
    if not causes.is_cached:
        because = f"{name} ran because step {causes.step} has no @cache"
    elif causes.compared is None:
        because = f"{name} ran because no earlier run here has a good task at this place"
    elif causes.changes:
        because = f"{name} ran because not all that it is made of is as it was"
    elif not causes.compared_is_cached:
        because = f"{name} ran because step {causes.step} had no @cache the last time, so nothing was noted"
    else:
        because = (
            f"{name} ran although nothing that counts has changed: the earlier result was too old (ttl), or the run "
            "was started with --no-cache"
        )
    if causes.compared is None:
        return f"{because}."
    compared = f"task {causes.compared.task} of run {causes.compared.run}"
    return f"{because}. Compared with {compared}{':' if causes.changes else ', all is the same.'}"


def _tell_change(change: Change) -> None:
    what = f"{_WORDS[change.kind]}{change.name}"
    if change.diff:
        terminal.out(Span(what, Style.BOLD), " changed:")
        for line in change.diff[:_MOST_LINES]:
            terminal.out("    ", Span(line, _STYLES[line[:1]]) if line[:1] in _STYLES else line)
        if len(change.diff) > _MOST_LINES:
            terminal.out(f"    ... {len(change.diff) - _MOST_LINES} more lines")
    elif change.before or change.after:
        terminal.out(Span(what, Style.BOLD), f" changed: {change.before or '?'} -> {change.after or '?'}")
    else:
        terminal.out(Span(what, Style.BOLD), " changed.")


_STYLES = {"-": Style.RED, "+": Style.GREEN, "@": Style.CYAN}


def _tell_json(causes: Causes) -> None:
    import json  # only for programs

    told: dict[str, Any] = {  # Any: JSON-like
        "run": causes.run,
        "step": causes.step,
        "task": causes.task,
        "reused": None if causes.reused is None else list(causes.reused),
        "is_cached": causes.is_cached,
        "reads": list(causes.reads),
        "compared": None if causes.compared is None else [causes.compared.run, causes.compared.task],
        "changes": [
            {
                "kind": one.kind,
                "name": one.name,
                "before": one.before,
                "after": one.after,
                "diff": list(one.diff),
            }
            for one in causes.changes
        ],
    }
    terminal.out(json.dumps(told))

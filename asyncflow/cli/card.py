"""`asyncflow card`: look at the cards of tasks, list them, write them out."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from asyncflow.cli import card_server, terminal
from asyncflow.cli.card_drawing import draw
from asyncflow.cli.errors import CommandError, NotFoundError
from asyncflow.cli.group import OurCommand, help_option
from asyncflow.cli.reading import OpenStore, open_store
from asyncflow.cli.runid import Target, find_target
from asyncflow.cli.script import Script

if TYPE_CHECKING:
    from asyncflow.cards.html import Charts
    from asyncflow.client.cards import Card
    from asyncflow.client.tasks import Task

__all__ = ["chosen_card", "command", "which_options"]

_HELP = """Look at the cards of tasks: reports that come with every run.

\b
  asyncflow card view 42/train/7        draw a task's card here; --browser opens it there
  asyncflow card get 42/train/7 c.html  write it to a file; without one, to stdout
  asyncflow card server 42              all cards of a run on a local page, live
  asyncflow card list latest            what cards there are
  asyncflow card export 42 --to cards   write all of them, a file each

Every task has a default card; a step with @card has what it says. A card is one HTML file that needs nothing beside it.
"""

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


class _CardGroup(click.Group):
    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        return help_option()


def command(script: Script | None = None) -> click.Command:
    """Make the group of commands."""
    flow = None if script is None else script.class_name

    def get(path: str, file: str | None, **which: Any) -> None:  # Any: as above
        with open_store() as store:
            html = chosen_card(store, path, flow, which).get()
        if file is None:
            terminal.out_bytes(html.encode("utf-8", "replace"))
        else:
            _write(file, html)

    def listed(path: str, as_json: bool, **which: Any) -> None:  # Any: as above
        with open_store() as store:
            target = find_target(store.reader, path, flow)
            found = [card for task in _tasks(store, target) for card in _cards(task, which)]
        if as_json:
            _tell_json(found)
        else:
            _tell(found, target)

    def export(path: str, directory: str, **which: Any) -> None:  # Any: as above
        with open_store() as store:
            _export(store, find_target(store.reader, path, flow), directory, which)

    group = _CardGroup(name="card", help=_HELP)
    task = click.Argument(["path"], metavar="RUN/STEP/TASK")
    any_path = click.Argument(["path"], metavar="RUN[/STEP[/TASK]]")
    which = which_options()
    add = group.add_command
    add(_view_command(task, flow))
    add(card_server.command(flow))
    file = click.Argument(["file"], required=False, metavar="[FILE]", type=click.Path(dir_okay=False))
    add(OurCommand(name="get", params=[task, file, *which], callback=get, help="Write a card's HTML."))
    as_json = click.Option(["--json", "--as-json", "as_json"], is_flag=True, help="As JSON, for programs.")
    add(OurCommand(name="list", params=[any_path, *which, as_json], callback=listed, help="List cards."))
    to = click.Option(
        ["--to", "directory"],
        type=click.Path(file_okay=False),
        default="cards",
        show_default=True,
        metavar="DIR",
        help="Where to.",
    )
    add(
        OurCommand(
            name="export", params=[any_path, *which, to], callback=export, help="Write cards, a file each."
        )
    )
    return group


def _view_command(task: click.Argument, flow: str | None) -> click.Command:
    def view(
        path: str, in_terminal: bool | None, unfolds: bool, **which: Any
    ) -> None:  # Any: what click parsed
        with open_store() as store:
            card = chosen_card(store, path, flow, which)
            if terminal.is_terminal(sys.stdout) if in_terminal is None else in_terminal:
                draw(card, unfolds=unfolds)
            else:
                terminal.out(card.view())

    where = click.Option(
        ["--terminal/--browser", "in_terminal"],
        default=None,
        help="Where to look at it.  [default: here, if stdout is a terminal]",
    )
    unfolds = click.Option(
        ["--all", "unfolds"],
        is_flag=True,
        help="In the terminal: unfold what is folded, and whole tracebacks.",
    )
    about = "Draw a card in the terminal, or open it in the browser."
    return OurCommand(name="view", params=[task, *which_options(), where, unfolds], callback=view, help=about)


def which_options() -> list[click.Parameter]:
    """Make the options that say which of several cards is meant."""
    return [
        click.Option(["--id", "card_id"], metavar="ID", help="The card with this id."),
        click.Option(["--type", "type"], metavar="TYPE", help="Cards of this type."),
        click.Option(["--hash", "hash"], metavar="HASH", help="The card whose hash begins so."),
        click.Option(
            ["--follow-resumed/--not-follow-resumed", "follow_resumed"],
            default=True,
            help="Of a task that was taken over, those of the task that ran.  [default: follow]",
        ),
    ]


def chosen_card(store: OpenStore, path: str, flow: str | None, which: Mapping[str, Any]) -> Card:
    """Return the one card that a command line names.

    Args:
        store: Where to look.
        path: What was typed: a task, or a step with one task.
        flow: The flow that is meant where none is named; None: any.
        which: What `which_options` made of the rest.

    Raises:
        NotFoundError: There is no such task, or it has no such card.
        CommandError: It is not clear which.
    """
    from asyncflow.client.cards import plain_card  # only to look at one

    target = find_target(store.reader, path, flow)
    task = _one_task(store, target)
    found = list(_cards(task, which))
    if len(found) == 1:
        return found[0]
    name = "/".join(task.path_components[1:])
    if found:
        raise CommandError(
            f"Task {name} has {len(found)} such cards: {', '.join(map(_told, found))}",
            hint="Say which: --id, --type or --hash.",
        )
    if _is_any(which):
        return plain_card(task)
    others = list(_cards(task, {"follow_resumed": which.get("follow_resumed", True)}))
    known = f"It has {', '.join(map(_told, others))}." if others else "Its step has no @card."
    raise NotFoundError(
        f"Task {name} has no such card", hint=f"{known} List cards: asyncflow card list {name}"
    )


def _one_task(store: OpenStore, target: Target) -> Task:
    tasks = list(_tasks(store, target))
    if len(tasks) == 1:
        return tasks[0]
    if not tasks:
        raise NotFoundError(
            f"{target.path} has no tasks", hint=f"See what the run did: asyncflow logs {target.run.run}"
        )
    some = ", ".join("/".join(task.path_components[1:]) for task in tasks[:5])
    raise CommandError(
        f"{target.path} has {len(tasks):,} tasks, and a card is one task's",
        hint=f"Name one: {some}{', ...' if len(tasks) > 5 else ''}. List cards: asyncflow card list {target.path}",
    )


def _tasks(store: OpenStore, target: Target) -> Iterator[Task]:
    from asyncflow.client.place import place_at
    from asyncflow.client.tasks import Task

    run = target.run
    rows = [target.task] if target.task is not None else store.reader.tasks(run.run, step=target.step)
    for row in rows:
        pathspec = f"{run.flow}/{run.run}/{row.step}/{row.task}"
        yield Task(pathspec, _namespace_check=False, _place=place_at(store.home))


def _cards(task: Task, which: Mapping[str, Any]) -> Iterator[Card]:
    from asyncflow.client.cards import cards_of

    follow = bool(which.get("follow_resumed", True))
    for card in cards_of(task, card_id=which.get("card_id"), type=which.get("type"), follow_resumed=follow):
        if card.hash.startswith(which.get("hash") or ""):
            yield card


def _is_any(which: Mapping[str, Any]) -> bool:
    return not any(which.get(name) for name in ("card_id", "type", "hash"))


def _told(card: Card) -> str:
    return f"{card.type}{f' --id {card.id}' if card.id else ''} ({card.hash[:8]})"


def _tell(found: list[Card], target: Target) -> None:
    from asyncflow.cli.table import Column, write_table  # only here

    if not found:
        terminal.err(
            f"No task of {target.path} has a card of its own. Each has the default one: asyncflow card view"
        )
        return
    columns = [Column("task", can_shrink=True), Column("type"), Column("id"), Column("hash"), Column("")]
    rows = [
        (
            "/".join(card.pathspec.split("/")[1:]),
            card.type,
            card.id or "",
            card.hash[:10],
            "live" if card.is_live else "",
        )
        for card in found
    ]
    write_table(columns, rows)


def _tell_json(found: list[Card]) -> None:
    import json

    told = [
        {
            "pathspec": card.pathspec,
            "type": card.type,
            "id": card.id,
            "hash": card.hash,
            "live": card.is_live,
            "origin_pathspec": card.origin_pathspec,
        }
        for card in found
    ]
    terminal.out(json.dumps(told, indent=2))


def _export(store: OpenStore, target: Target, directory: str, which: Mapping[str, Any]) -> None:
    from asyncflow.cards.html import Charts
    from asyncflow.client.cards import plain_card

    count = 0
    with Charts() as charts:
        for task in _tasks(store, target):
            cards = list(_cards(task, which)) or ([plain_card(task)] if _is_any(which) else [])
            for number, card in enumerate(cards):
                _export_one(card, directory, number, charts)
                count += 1
    if not count:
        raise NotFoundError(
            f"{target.path} has no such card", hint=f"List cards: asyncflow card list {target.path}"
        )


def _export_one(card: Card, directory: str, number: int, charts: Charts) -> None:
    _flow, _run, step, task = card.pathspec.split("/")
    parts = [step, task, *([card.type] if card.type != "default" else []), *([card.id] if card.id else [])]
    name = _UNSAFE.sub("_", "-".join(parts))[:150]
    path = os.path.join(directory, f"{name}.html")
    if number and os.path.exists(path):
        path = os.path.join(directory, f"{name}-{number}.html")
    _write(path, card.get(charts))
    terminal.out(path)


def _write(path: str, html: str) -> None:
    try:
        directory = os.path.dirname(path)
        if directory and not os.path.exists(directory):
            os.makedirs(directory)
        with open(path, "w", encoding="utf-8", errors="replace") as file:
            file.write(html)
    except OSError as error:
        raise CommandError(
            f"{path} cannot be written: {error.strerror}", hint="Name another place."
        ) from error

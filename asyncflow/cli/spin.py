"""`asyncflow spin FLOW.py STEP`: run one step again, with what an earlier task of it began with."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from asyncflow.cli import terminal
from asyncflow.cli.errors import CommandError, NotFoundError
from asyncflow.cli.flow_file import ChosenFlow, class_option, load
from asyncflow.cli.group import OurCommand
from asyncflow.cli.options import RunOptions, default_options, run_options
from asyncflow.cli.reading import OpenStore, open_store
from asyncflow.cli.runid import created_of, find_run, find_target
from asyncflow.cli.script import Script, first_specs
from asyncflow.cli.terminal import Span, Style
from asyncflow.records import record

if TYPE_CHECKING:
    from asyncflow.events.rows import RunRow, TaskRow
    from asyncflow.runtime.api import RunRequest
    from asyncflow.runtime.spinning import Spun

__all__ = ["command"]

_HELP = """Run one step again, with what an earlier task of it began with.

\b
  asyncflow spin flow.py train              as in the latest run of the flow
  asyncflow spin flow.py 42/train/7
  asyncflow spin flow.py train --artifacts-module other.py

The step runs with the code as it is now, once, and nothing after it. @retry and @catch do not count; --skip-decorators
leaves out the others, too. What it made is shown and, with --persist, kept in a store of its own beside the runs:
`inspect_spin()` lets the client look there.
"""

_RUN_OPTIONS = ("--run-id-file", "--runner-attribute-file", "--isolation", "--max-log-size")
_MODULE_VARIABLE = "ARTIFACTS"
_MOST_SHOWN_BYTES = 4096


def command(script: Script | None = None) -> click.Command:
    """Make the command."""

    def spin(pathspec: str, **given: Any) -> int:  # Any: what click parsed
        file, class_name = given.pop("file", None), given.pop("class_name", None)
        with open_store() as store:
            context = click.get_current_context()
            chosen = _Chosen(
                store=store,
                file=file if script is None else script.file,
                class_name=class_name if script is None else script.class_name,
                specs=first_specs(context),
            )
            asked = _asked(chosen, pathspec, given)
        return _spin(asked)

    return OurCommand(name="spin", params=_parameters(script), callback=spin, help=_HELP)


def _parameters(script: Script | None) -> list[click.Parameter]:
    where: list[click.Parameter] = [] if script is not None else [click.Argument(["file"], metavar="FLOW.py")]
    options = [one for one in run_options() if one.opts[0] in _RUN_OPTIONS]
    return [
        *where,
        click.Argument(["pathspec"], metavar="[RUN/]STEP[/TASK]"),
        *([] if script is not None else [class_option()]),
        click.Option(
            ["--skip-decorators/--no-skip-decorators", "skips"],
            default=False,
            help="Leave the step's decorators out.",
        ),
        click.Option(
            ["--artifacts-module", "module"],
            type=click.Path(dir_okay=False),
            metavar="FILE",
            help="A Python file whose ARTIFACTS, a dictionary, are seen in place of what was there; for a join a list.",
        ),
        click.Option(
            ["--persist/--no-persist", "persists"],
            default=False,
            help="Keep the artifacts, for inspect_spin().",
        ),
        click.Option(
            ["--ui"],
            type=click.Choice(["plain", "json", "none"]),
            default="plain",
            show_default=True,
            help="What to show: lines for people, JSON events for programs, or nothing.",
        ),
        *options,
    ]


@record
class _Chosen:
    """What the command line says of the flow."""

    store: OpenStore
    file: str
    class_name: str | None
    specs: tuple[str, ...]


@record
class _Spin:
    """What is to be done."""

    flow: ChosenFlow
    options: RunOptions
    row: RunRow
    task: TaskRow
    spun: Spun
    home: str
    persists: bool


def _asked(chosen: _Chosen, pathspec: str, given: Mapping[str, Any]) -> _Spin:  # Any: what click parsed
    from asyncflow.runtime.resuming import origin_configs
    from asyncflow.runtime.spinning import begun_with

    store = chosen.store
    row, task = _task(store, pathspec, chosen)
    configs = origin_configs(store.home, row.run, created_of(store.reader, row.run).meta)
    flow = load(chosen.file, chosen.class_name, chosen.specs, configs)
    graph = flow.checked_graph()
    if flow.name != row.flow:
        raise CommandError(f"Run {row.run} is of flow {row.flow}, and {flow.file} defines {flow.name}")
    if task.step not in graph.steps:
        raise NotFoundError(
            f"Flow {flow.name} has no step '{task.step}' any more",
            hint=f"Its steps are {', '.join(graph.steps)}.",
        )
    _refuse_gang(flow, task.step)
    if given["skips"]:
        _skip_decorators(flow, task.step)
    options = default_options(given)
    artifacts = () if given["module"] is None else _artifacts(given["module"])
    spun = begun_with(store.reader, store.home, row.run, task, artifacts=artifacts)
    return _Spin(
        flow=flow, options=options, row=row, task=task, spun=spun, home=store.home, persists=given["persists"]
    )


def _task(store: OpenStore, pathspec: str, chosen: _Chosen) -> tuple[RunRow, TaskRow]:
    if "/" not in pathspec and not pathspec.isdigit():
        flow = chosen.class_name or load(chosen.file, None, ()).name
        row = find_run(store.reader, f"{flow}/latest")
        pathspec = f"{row.run}/{pathspec}"
    target = find_target(store.reader, pathspec, chosen.class_name)
    if target.task is not None:
        return target.run, target.task
    if target.step is None:
        raise CommandError(f"'{pathspec}' names no step", hint=f"Write {target.run.run}/STEP.")
    tasks = store.reader.tasks(target.run.run, step=target.step)
    if not tasks:
        raise NotFoundError(
            f"Run {target.run.run} has no task of step {target.step}, so it is not known what one begins with",
            hint=f"Name a run that has: asyncflow runs --flow {target.run.flow}",
        )
    return target.run, tasks[-1]


def _artifacts(path: str) -> Any:  # Any: the user's objects
    import runpy  # only for those who ask

    try:
        found = runpy.run_path(path).get(_MODULE_VARIABLE)
    except Exception as error:
        raise CommandError(f"--artifacts-module {path}: {type(error).__name__}: {error}") from error
    if not isinstance(found, Mapping | Sequence) or isinstance(found, str):
        raise CommandError(
            f"--artifacts-module {path} defines no dictionary {_MODULE_VARIABLE}",
            hint='Write it like ARTIFACTS = {"alpha": 0.5}; for a join, a list of such, one for each input.',
        )
    return found


def _refuse_gang(flow: ChosenFlow, step: str) -> None:
    from asyncflow.flow.decorators.builtin import Parallel

    if flow.graph().steps[step].decorator(Parallel) is not None:
        raise CommandError(f"Step {step} is a gang: its members work together, so none can run alone")


def _skip_decorators(flow: ChosenFlow, step: str) -> None:
    from asyncflow.flow.decorators.attached import set_decorators

    set_decorators(flow.flow_class, step, ())


def _spin(asked: _Spin) -> int:
    from asyncflow.cli.launch import drive_quietly, limits_of
    from asyncflow.flow.ability import check_ability
    from asyncflow.flow.config import configs_of
    from asyncflow.flow.config_value import plain
    from asyncflow.flow.given_configs import hand_down
    from asyncflow.flow.parameters import constants_of
    from asyncflow.runtime.resuming import origin_parameters
    from asyncflow.store.home import make_home
    from asyncflow.users import user_name

    flow_class, graph = asked.flow.flow_class, asked.flow.graph()
    check_ability(graph)
    values = origin_parameters(asked.home, asked.row.run, flow_class)
    configs = {one.option_name.lower(): plain(one.value()) for one in configs_of(flow_class).values()}
    hand_down(asked.flow.file, configs)
    with ExitStack() as cleaning:
        home = make_home(at=_place(asked, cleaning))
        terminal.err(
            f"Spinning {asked.task.step} with what task {asked.row.run}/{asked.task.step}/{asked.task.task} began with"
        )

        def request() -> RunRequest:
            from asyncflow.runtime.api import RunRequest
            from asyncflow.runtime.description import describe_run
            from asyncflow.runtime.spinning import SpunBackend, only_step

            origin = f"{asked.row.run}/{asked.task.step}/{asked.task.task}"
            return RunRequest(
                flow=flow_class,
                flow_file=asked.flow.file,
                graph=only_step(graph.to_machine(), asked.task.step),
                parameters=values,
                constants=constants_of(flow_class),
                graph_info=graph.to_info(),
                limits=limits_of(asked.options),
                user=user_name(),
                meta={**describe_run(flow_class, asked.flow.file, argv=sys.argv), "spun": origin},
                environment=graph.environment(),
                isolation=asked.options.isolation,
                most_log_bytes=asked.options.most_log_bytes,
                in_front=lambda backend: SpunBackend(backend, asked.spun, home),
                cache="none",
            )

        code = drive_quietly(asked.flow, asked.options, request, home=home, ui=asked.options.ui)
        _show_made(home, asked.flow.name)
    return code


def _place(asked: _Spin, cleaning: ExitStack) -> str:
    """Return where it runs: beside the runs, or where it is removed afterwards."""
    from asyncflow.store.layout import SPIN_STORE, temporary_directory

    if asked.persists:
        return f"{asked.home}/{SPIN_STORE}"
    place = f"{temporary_directory(asked.home)}/spin.{os.getpid()}.{os.urandom(4).hex()}"
    cleaning.callback(shutil.rmtree, place, ignore_errors=True)
    return place


def _show_made(home: str, flow: str) -> None:
    """Show what the task made, small values in full."""
    from asyncflow.client.place import place_at

    place = place_at(home)
    row = place.reader.latest(flow)
    task = None if row is None else next(iter(place.reader.tasks(row.run)), None)
    if task is None or not place.store.has_manifest(*task.key):
        return
    manifest = place.store.read_manifest(*task.key)
    made = {name: one for name, one in manifest.artifacts.items() if one.is_new}
    terminal.err(Span("It made:" if made else "It made nothing new.", Style.BOLD))
    for name, one in made.items():
        about = f"{one.type}, {one.size_bytes:,} bytes"
        terminal.err(
            f"    {name} = {_value(place.store, name, one) if one.size_bytes <= _MOST_SHOWN_BYTES else about}"
        )
    if manifest.next:
        terminal.err(
            f"In a run it goes on to {', '.join([manifest.chosen] if manifest.chosen else manifest.next)}."
        )


def _value(store: Any, name: str, one: Any) -> str:  # Any: the store's
    from reprlib import Repr

    brief = Repr()
    brief.maxstring = brief.maxother = 200
    try:
        return brief.repr(store.load(one, name=name))
    except Exception:  # noqa: BLE001 - to rebuild a user's object may raise anything
        return str(one.type)

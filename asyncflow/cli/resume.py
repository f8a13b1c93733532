"""`asyncflow resume RUN`: go on with what is left of a run.

An interrupted run goes on under its own id; any other gives a new run that takes over its work.
"""

from __future__ import annotations

import difflib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from asyncflow.cli import terminal
from asyncflow.cli.errors import CommandError, NotFoundError
from asyncflow.cli.flow_file import ChosenFlow, class_option, load
from asyncflow.cli.group import OurCommand
from asyncflow.cli.options import RunOptions, check_run_id_file, run_options
from asyncflow.cli.reading import OpenStore, open_store
from asyncflow.cli.runid import created_of, find_run
from asyncflow.cli.script import Script, first_specs
from asyncflow.cli.table import Column, write_table
from asyncflow.errors import ExitCode
from asyncflow.records import fields, record, replace

if TYPE_CHECKING:
    from asyncflow.events.rows import RunRow, TaskRow
    from asyncflow.flow.given_configs import GivenConfigs
    from asyncflow.flow.graph import FlowGraph
    from asyncflow.machine.events import RunCreated
    from asyncflow.machine.state import CloneKey, CloneSource
    from asyncflow.runtime.api import RunRequest
    from asyncflow.runtime.cloning import PlannedStep

__all__ = ["command"]

_HELP = """Go on with a run; what went well is not run again.

A run whose process died (`runs` says `interrupted`) goes on under its own id. A failed, cancelled or finished
run gives a new run: every good task of it is taken over by reference, the others are executed with the code as
it is now. With STEP, that step and all that comes after it are executed again, too.

Parameters are the run's own.

\b
  asyncflow resume 42
  asyncflow resume latest train --dry-run     what would run again, and why
"""


_KEPT = (
    "max_workers",
    "max_async",
    "async_workers",
    "max_num_splits",
    "keep_going",
    "failure_grace_s",
    "isolation",
    "spot_retries",
    "k8s_template",
)
"""Options that are the run's own unless they are given."""


def command(script: Script | None = None) -> click.Command:
    """Make the command."""

    def resume(
        run: str,
        step: str | None,
        is_dry_run: bool,
        clones_only: bool,
        **given: Any,  # Any: what click parsed
    ) -> int:
        context = click.get_current_context()
        asked = _Asked(
            flow_file=script.file if script is not None else given.get("file"),
            class_name=script.class_name if script is not None else given.get("class_name"),
            step=step,
            options=RunOptions(**{item.name: given[item.name] for item in fields(RunOptions)}),
            given=_given_names(context),
            first_specs=first_specs(context),
        )
        with open_store() as store:
            plan = _plan(
                store, find_run(store.reader, run, None if script is None else script.class_name), asked
            )
        if is_dry_run:
            _show_plan(plan)
            return 0
        return _clone(plan) if clones_only else _carry_out(plan)

    return OurCommand(name="resume", params=_parameters(script), callback=resume, help=_HELP)


def _parameters(script: Script | None) -> list[click.Parameter]:
    step = click.Argument(["step"], required=False, metavar="[STEP]")
    dry_run = click.Option(
        ["--dry-run", "is_dry_run"],
        is_flag=True,
        help="Only show what would be reused and run again, and why.",
    )
    clone_only = click.Option(
        ["--clone-only", "clones_only"],
        is_flag=True,
        help="Only take over what went well, in a new run that can be resumed; execute nothing.",
    )
    if script is not None:
        origin = click.Option(
            ["--origin-run-id", "run"],
            default="latest",
            show_default=True,
            metavar="RUN",
            help="The run to resume.",
        )
        return [step, origin, dry_run, clone_only, *_scheduling_options()]
    return [
        click.Argument(["run"], metavar="RUN"),
        step,
        dry_run,
        clone_only,
        click.Option(
            ["--file"],
            type=click.Path(),
            metavar="FLOW.py",
            help="The flow's file.  [default: as it was run]",
        ),
        class_option(),
        *_scheduling_options(),
    ]


def _scheduling_options() -> list[click.Option]:
    options = run_options()
    for option in options:
        if option.name in _KEPT:
            option.show_default = "as the run had it"
    return options


def _given_names(context: click.Context) -> tuple[str, ...]:
    return tuple(
        name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    )


@record
class _Asked:
    """The command line."""

    flow_file: str | None
    class_name: str | None
    step: str | None
    options: RunOptions
    given: tuple[str, ...]
    """Names of the options that were typed; the others are the run's."""
    first_specs: tuple[str, ...]


@record
class _Plan:
    """What a resume does."""

    row: RunRow
    flow: ChosenFlow
    graph: FlowGraph
    options: RunOptions
    in_place: bool
    """Under the run's own id."""
    rerun_steps: tuple[str, ...]
    clones: Mapping[CloneKey, CloneSource]
    tasks: Sequence[TaskRow]
    home: str
    note: str = ""
    """Why it is not done in the obvious way; empty when it is."""


def _plan(store: OpenStore, row: RunRow, asked: _Asked) -> _Plan:
    from asyncflow.runtime.resuming import origin_configs, resumption_of

    if row.status == "running":
        raise _is_running(store, row)
    created = created_of(store.reader, row.run)
    options = _options(asked, row, created)
    configs = origin_configs(store.home, row.run, created.meta)
    flow = _flow(asked, created.meta, options.with_specs, configs)
    graph = flow.checked_graph()
    _check_step(graph, asked.step)
    resumption = resumption_of(store.reader, row, created, graph.to_machine(), step=asked.step)
    return _Plan(
        row=row,
        flow=flow,
        graph=graph,
        options=options,
        in_place=resumption.in_place,
        rerun_steps=resumption.rerun_steps,
        clones=resumption.clones,
        tasks=resumption.tasks,
        home=store.home,
        note=resumption.note,
    )


def _is_running(store: OpenStore, row: RunRow) -> CommandError:
    lease = store.reader.lease(row.run)
    by = "another process" if lease is None else f"process {lease.pid} on {lease.host}"
    return CommandError(
        f"Run {row.run} is running: {by} drives it",
        hint=f"Watch it: asyncflow logs {row.run} --follow\nStop it: asyncflow cancel {row.run}",
    )


def _options(asked: _Asked, row: RunRow, created: RunCreated) -> RunOptions:
    """Return the options, those that were not given as the run had them."""
    had = json.loads(row.limits)
    known: dict[str, Any] = {  # Any: each option has its own type
        "max_workers": _workers(had),
        "spot_retries": had.get("most_losses"),
        "k8s_template": created.meta.get("k8s_template"),
        "max_async": had.get("async_slots"),
        "async_workers": created.meta.get("async_workers"),
        "max_num_splits": had.get("max_splits"),
        "keep_going": had.get("keep_going"),
        "failure_grace_s": had.get("failure_grace_s"),
        "isolation": created.meta.get("isolation"),
    }
    kept = {name: value for name, value in known.items() if name not in asked.given and value is not None}
    attached = tuple(created.meta.get("with", ())) if row.status == "interrupted" else ()
    specs = dict.fromkeys((*attached, *asked.first_specs, *asked.options.with_specs))
    return replace(asked.options, **kept, with_specs=tuple(specs))


def _workers(had: Mapping[str, Any]) -> int | None:  # Any: JSON
    """Return what --max-workers was; None: it was not given, so this machine and others had limits of their own."""
    slots: int | None = had.get("slots")
    return slots if had.get("remote_slots", slots) == slots else None


def _flow(
    asked: _Asked,
    meta: Mapping[str, Any],  # Any: JSON-like
    with_specs: Sequence[str],
    configs: GivenConfigs,
) -> ChosenFlow:
    file = asked.flow_file or meta.get("flow_file")
    if not isinstance(file, str):
        raise CommandError(
            "It is not recorded where the flow of this run is", hint="Name its file: --file FLOW.py"
        )
    if asked.flow_file is None and not os.path.exists(file):
        raise NotFoundError(
            f"The flow's file is not where it was: {file}", hint="Name the file as it is now: --file FLOW.py"
        )
    class_name = asked.class_name or (meta.get("class") if asked.flow_file is None else None)
    return load(file, class_name, with_specs, configs)


def _check_step(graph: FlowGraph, step: str | None) -> None:
    if step is None or step in graph.steps:
        return
    close = difflib.get_close_matches(step, graph.steps, n=1)
    suggestion = f"Did you mean {close[0]}? " if close else ""
    raise NotFoundError(
        f"Flow {graph.name} has no step '{step}'",
        hint=f"{suggestion}Its steps are {', '.join(graph.steps)}.",
    )


def _clone(plan: _Plan) -> int:
    """Take over what can be taken over, in a run that ends then."""
    if plan.in_place:
        raise CommandError(
            f"Run {plan.row.run} is interrupted: it goes on under its own id, so there is nothing to take over",
            hint=f"Go on with it: asyncflow resume {plan.row.run}",
        )
    code = _carry_out(plan, clones_only=True)
    return 0 if code == ExitCode.INTERRUPTED else code


def _carry_out(plan: _Plan, *, clones_only: bool = False) -> int:
    from asyncflow.cli.launch import check_resources, describe, drive, limits_of, places_for
    from asyncflow.events.rows import LIVING
    from asyncflow.flow.ability import check_ability
    from asyncflow.flow.config import configs_of
    from asyncflow.flow.config_value import plain
    from asyncflow.flow.given_configs import hand_down
    from asyncflow.flow.parameters import constants_of
    from asyncflow.runtime.description import recorded_origin, recorded_project
    from asyncflow.runtime.resuming import origin_parameters
    from asyncflow.users import user_name

    check_ability(plan.graph)
    check_resources(plan.graph)
    check_run_id_file(plan.options.run_id_file)
    user = plan.row.user if plan.in_place else user_name()
    flow_class = plan.flow.flow_class
    values = {} if plan.in_place else origin_parameters(plan.home, plan.row.run, flow_class)
    hand_down(
        plan.flow.file,
        {one.option_name.lower(): plain(one.value()) for one in configs_of(flow_class).values()},
    )
    places = places_for(plan.graph, plan.home, plan.options)
    _announce(plan)

    meta = json.loads(plan.row.meta)

    def request() -> RunRequest:
        from asyncflow.runtime.api import RunRequest

        described = describe(plan.flow, plan.options, sys.argv, recorded_project(meta))
        return RunRequest(
            flow=flow_class,
            flow_file=plan.flow.file,
            graph=plan.graph.to_machine(),
            parameters=values,
            constants=constants_of(flow_class),
            graph_info=plan.graph.to_info(),
            limits=limits_of(plan.options),
            user=user,
            tags=plan.options.tags,
            meta={**described, **recorded_origin(meta, in_place=plan.in_place)},
            environment=plan.graph.environment(),
            origin_run=plan.row.origin_run if plan.in_place else plan.row.run,
            rerun_steps=plan.rerun_steps,
            clones=plan.clones,
            isolation=plan.options.isolation,
            async_workers=plan.options.async_workers,
            most_log_bytes=plan.options.most_log_bytes,
            cache=plan.options.cache_mode,
            clones_only=clones_only,
            **places,
        )

    living = {task.task: task.step for task in plan.tasks if task.status in LIVING}
    run = plan.row.run if plan.in_place else None
    return drive(plan.flow, plan.options, request, home=plan.home, run=run, steps=living)


def _announce(plan: _Plan) -> None:
    run = plan.row.run
    if plan.note:
        terminal.err(f"A new run takes over the work of run {run}, because {plan.note}.")
    if plan.in_place and plan.options.tags:
        terminal.err(f"Run {run} goes on as it is: its tags cannot be changed here.")


def _show_plan(plan: _Plan) -> None:
    from asyncflow.runtime.cloning import plan_resume

    run = plan.row.run
    if plan.in_place:
        terminal.err(f"Run {run} would go on under its own id:")
        steps: Sequence[PlannedStep] = _in_place_plan(plan)
    else:
        terminal.err(
            f"A new run would take over the work of run {run}{plan.note and ', because '}{plan.note}:"
        )
        steps = plan_resume(plan.graph.to_machine(), plan.tasks, plan.clones, plan.rerun_steps)
    columns = [
        Column("STEP", can_shrink=True),
        Column("REUSED", is_right=True),
        Column("RE-RUN", is_right=True),
        Column("WHY", can_shrink=True),
    ]
    write_table(columns, [[step.step, f"{step.reused:,}", f"{step.rerun:,}", step.why] for step in steps])


def _in_place_plan(plan: _Plan) -> list[PlannedStep]:
    from asyncflow.events.rows import LIVING
    from asyncflow.runtime.cloning import PlannedStep

    planned: list[PlannedStep] = []
    for name in plan.graph.steps:
        of_step = [task for task in plan.tasks if task.step == name]
        living = sum(task.status in LIVING for task in of_step)
        why = "has not run yet" if not of_step else f"{living} had not ended" if living else ""
        planned.append(PlannedStep(step=name, reused=len(of_step) - living, rerun=living, why=why))
    return planned

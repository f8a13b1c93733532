"""`asyncflow run FLOW.py`: the flow's parameters are options of the command, so its file is loaded first."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from asyncflow.cli.flow_file import ChosenFlow, class_option, config_options, given_configs, load
from asyncflow.cli.flow_options import flow_options
from asyncflow.cli.group import OurCommand
from asyncflow.cli.options import RunOptions, check_run_id_file, run_options
from asyncflow.cli.script import Script, first_configs, first_flow_options, first_specs
from asyncflow.records import fields

if TYPE_CHECKING:
    from asyncflow.runtime.api import RunRequest

__all__ = ["command", "start"]

_HELP = """Run a flow: its steps on this machine, or where @kubernetes or @batch say.

The flow's parameters are options, too, and stand after its file:

\b
  asyncflow run flow.py --alpha 0.5 --max-workers 4
  asyncflow run flow.py --help       shows the parameters as well

Every task is a process of its own. What tasks print comes on stdout, with the time and the task in front. The
exit code is 0 when the run succeeded, 1 when it failed, 2 when it could not begin, 130 when it was interrupted.
"""

_LONGEST_PATH = 40
"""A longer one is shown without its directory in usage lines."""


def command(script: Script | None = None) -> click.Command:
    """Make the command."""
    return _RunCommand(script)


class _Chosen(NamedTuple):
    """A flow, and the arguments that remain for its own command."""

    path: str
    flow: ChosenFlow
    with_specs: tuple[str, ...]
    args: list[str]


class _RunCommand(OurCommand):
    """Loads the flow that its arguments name, and becomes that flow's command."""

    def __init__(self, script: Script | None) -> None:
        own = [] if script is not None else [class_option()]
        super().__init__(name="run", params=[*own, *run_options(), *config_options(hidden=True)], help=_HELP)
        self._script = script

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return ["FLOW.py", "[OPTIONS]"]

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,  # Any: click's
    ) -> click.Context:
        """Load the flow, and parse the rest with the flow's own options."""
        chosen = self._choose(info_name or "run", args, parent)
        if chosen is None:  # help without a flow, or an error that click explains best
            return super().make_context(info_name, args, parent=parent, **extra)
        inner = _flow_command(chosen, own_class_option=self._script is None)
        shown = chosen.path if len(chosen.path) <= _LONGEST_PATH else os.path.basename(chosen.path)
        name = f"{info_name} {shown}" if shown else info_name
        return inner.make_context(name, chosen.args, parent=parent, **extra)

    def _choose(self, name: str, args: list[str], parent: click.Context | None) -> _Chosen | None:
        anywhere = self._parsed(name, args, parent, ignore_unknown_options=True, resilient_parsing=True)
        specs = tuple(anywhere.values.get("with_specs") or ())
        if self._script is not None:
            specs = (*(first_specs(parent) if parent is not None else ()), *specs)
            first = first_configs(parent) if parent is not None else {}
            configs = given_configs(first, anywhere.values)
            flow = load(self._script.file, self._script.class_name, specs, configs)
            return _checked(_Chosen("", flow, specs, args), anywhere)
        head = self._parsed(name, args, parent, allow_interspersed_args=False)
        if not head.rest:
            if head.values.get("help"):
                return None
            context = click.Context(self, info_name=name, parent=parent)
            raise click.MissingParameter(
                ctx=context, param=click.Argument(["file"], metavar="FLOW.py"), param_hint="FLOW.py"
            )
        path, *rest = head.rest
        before = args[: len(args) - len(head.rest)]
        flow = load(path, anywhere.values.get("class_name"), specs, given_configs(anywhere.values))
        return _checked(_Chosen(path, flow, specs, [*before, *rest]), anywhere)

    def _parsed(
        self, name: str, args: Sequence[str], parent: click.Context | None, **settings: Any
    ) -> _Parsed:  # Any: click's
        """Look at the arguments with the options that every flow has."""
        context = click.Context(self, info_name=name, parent=parent, **settings)
        try:
            values, rest, _ = self.make_parser(context).parse_args(list(args))
        except click.NoSuchOption as error:
            raise click.UsageError(
                f"{error.format_message()} A flow's own parameters stand after its file.", context
            ) from None
        return _Parsed(values, rest)


class _Parsed(NamedTuple):
    values: Mapping[str, Any]  # Any: as written
    rest: list[str]


def _checked(chosen: _Chosen, parsed: _Parsed) -> _Chosen:
    """Check the graph before anything is said about options; who asks for help gets it all the same."""
    if not parsed.values.get("help"):
        chosen.flow.checked_graph()
    return chosen


def _flow_command(chosen: _Chosen, *, own_class_option: bool) -> click.Command:
    """Make the command of one flow: its parameters first, then the options every flow has."""
    from asyncflow.flow.config import configs_of
    from asyncflow.flow.options import click_options

    flow = chosen.flow
    parameters = click_options(flow.flow_class)
    taken = [name for option in parameters for name in option.opts]
    common = [class_option(), *run_options()] if own_class_option else run_options()
    common += [*flow_options(flow.flow_class), _namespace_option()]
    if configs_of(flow.flow_class):
        common += config_options()
    free = [option for option in common if option.opts[0] not in taken]

    def run(**given: Any) -> int:  # Any: what click parsed
        given.pop("class_name", None)
        given["with_specs"] = chosen.with_specs
        for name, value in first_flow_options(click.get_current_context()).items():
            given[name] = given.get(name) or value
        names = [item.name for item in fields(RunOptions)]
        options = RunOptions(**{name: given[name] for name in names})
        return start(flow, options, given)

    doc = (flow.flow_class.__doc__ or "").strip()
    return OurCommand(
        name="run",
        params=[*parameters, *free],
        sections={option.name or "": f"Parameters of {flow.name}" for option in parameters},
        callback=run,
        help=f"Run {flow.name}.\n\n{doc}" if doc else f"Run {flow.name}.",
    )


def _namespace_option() -> click.Option:
    return click.Option(
        ["--namespace"],
        metavar="TAG",
        help="Where the client looks in the run's tasks, such as user:ada; '' is all runs.  [default: the user's own]",
    )


def _origin(given: Mapping[str, Any]) -> dict[str, Any]:  # Any: what click parsed; JSON-like
    """Return what is recorded of what started the run, and of where it looks.

    Raises:
        CommandError: A run that is to have triggered it has not succeeded, or there is none.
    """
    told: dict[str, Any] = {}
    if given.get("namespace") is not None:
        told["namespace"] = given["namespace"]
    if given.get("triggers"):
        told["triggers"] = [_finished_run(text) for text in given["triggers"]]
    return told


def _finished_run(text: str) -> dict[str, Any]:  # Any: JSON-like
    from asyncflow.cli.errors import CommandError
    from asyncflow.cli.reading import open_store
    from asyncflow.cli.runid import find_run

    with open_store() as store:
        row = find_run(store.reader, text)
    if row.status != "succeeded":
        raise CommandError(
            f"--trigger {text}: run {row.run} of {row.flow} has not succeeded, it is {row.status}",
            hint=f"Name one that has: asyncflow runs --flow {row.flow}",
        )
    return {"type": "run", "name": row.flow, "id": f"{row.flow}/{row.run}", "at": row.ended_at}


def start(flow: ChosenFlow, options: RunOptions, given: Mapping[str, Any]) -> int:  # Any: what click parsed
    """Start a new run and see it to its end; return the exit code.

    Args:
        flow: What to run.
        options: How.
        given: Values of the flow's parameters as click parsed them, among others.
    """
    from asyncflow.cli.launch import check_resources, describe, drive, limits_of, places_for
    from asyncflow.flow.ability import check_ability
    from asyncflow.flow.config import configs_of
    from asyncflow.flow.decorators.project import branch_of
    from asyncflow.flow.given_configs import hand_down
    from asyncflow.flow.options import given_values, resolve_parameters
    from asyncflow.flow.parameters import constants_of
    from asyncflow.store.home import make_home
    from asyncflow.users import user_name

    graph = flow.checked_graph()
    check_ability(graph)
    check_resources(graph)
    check_run_id_file(options.run_id_file)
    user = user_name()
    values = resolve_parameters(flow.flow_class, given_values(flow.flow_class, given), user=user)
    project = branch_of(
        flow.flow_class, user=user, branch=given.get("branch"), production=bool(given.get("production"))
    )
    origin = _origin(given)
    hand_down(
        flow.file,
        {one.option_name.lower(): values[name] for name, one in configs_of(flow.flow_class).items()},
    )
    home = make_home()
    places = places_for(graph, home, options)

    def request() -> RunRequest:
        from asyncflow.runtime.api import RunRequest

        return RunRequest(
            flow=flow.flow_class,
            flow_file=flow.file,
            graph=graph.to_machine(),
            parameters=values,
            constants=constants_of(flow.flow_class),
            graph_info=graph.to_info(),
            limits=limits_of(options),
            user=user,
            tags=options.tags,
            meta={**describe(flow, options, sys.argv, project), **origin},
            environment=graph.environment(),
            isolation=options.isolation,
            async_workers=options.async_workers,
            most_log_bytes=options.most_log_bytes,
            cache=options.cache_mode,
            **places,
        )

    return drive(flow, options, request, home=home)

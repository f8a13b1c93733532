"""Starts a run, or goes on with one, and shows it: what `run` and `resume` have in common once all is decided.

The order matters. The flow is imported and checked first; then the zygote is forked, from a process without threads,
event loop or SQLite; then everything that runs is imported.
"""

from __future__ import annotations

import gc
import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Protocol

from asyncflow.cli import terminal
from asyncflow.cli.errors import CommandError
from asyncflow.cli.flow_file import ChosenFlow
from asyncflow.cli.options import RunOptions
from asyncflow.cli.terminal import Span, Style
from asyncflow.errors import ExitCode, PlatformError, UserError
from asyncflow.machine.graph import Resources
from asyncflow.store.layout import DATABASE, temporary_directory

if TYPE_CHECKING:
    from asyncflow.flow.decorators.project import ProjectBranch
    from asyncflow.flow.graph import FlowGraph, StepInfo
    from asyncflow.machine.events import Event, Limits
    from asyncflow.machine.graph import Graph
    from asyncflow.machine.ids import Attempt
    from asyncflow.runtime.api import RunRequest, RunResult
    from asyncflow.runtime.notify import Notifier

__all__ = [
    "ResourcesError",
    "check_resources",
    "describe",
    "drive",
    "drive_quietly",
    "exit_code_of",
    "limits_of",
    "places_for",
    "tell_cancelled",
]

_GARBAGE = 20_000
"""New objects before the youngest are looked through: a scheduler of a thousand pods spent 5 % of its time on that."""
_RESUME = re.compile(r"asyncflow resume( RUN\b)?(?![ \w])")


class ResourcesError(UserError):
    """A step asks for more than this machine has."""

    headline = "Not enough resources"


class _UI(Protocol):
    """What shows a run; see `runtime.api.Observer`."""

    def registered(self, run: int) -> None: ...
    def events(self, first_seq: int, events: Sequence[Event]) -> None: ...
    def lines(self, attempt: Attempt, stream: str, text: bytes) -> None: ...
    async def wait_ready(self) -> None: ...
    def close(self) -> None: ...


def check_resources(graph: FlowGraph) -> None:
    """See that no step asks for more than this machine has.

    Raises:
        ResourcesError: One does.
    """
    nodes = graph.to_machine().steps
    asking = [info for info in graph.steps.values() if nodes[info.name].resources != Resources()]
    if not asking:
        return
    from asyncflow.backends.local.capacity import cpu_count, gpu_count, memory_mb

    there = Resources(cpu=cpu_count(), memory_mb=memory_mb(), gpu=gpu_count())
    for info in asking:
        _check_step(info, nodes[info.name].resources, there)


def places_for(
    graph: FlowGraph, home: str, options: RunOptions
) -> dict[str, Any]:  # Any: arguments of RunRequest by name
    """Return what a run request says of steps that run elsewhere.

    Raises:
        UserError: They cannot: a platform is not there, the store cannot be seen from there, an option is wrong.
    """
    if all(info.place is None for info in graph.steps.values()):
        return {}
    from asyncflow.runtime.places import gangs_of, places_of  # only for flows that have such steps

    return {
        "places": places_of(graph, home, options.place_settings()),
        "gangs": gangs_of(graph),
    }


def limits_of(options: RunOptions) -> Limits:
    """Return the run's capacity: what was asked for, on this machine. Called after the fork."""
    from asyncflow.backends.local.capacity import cpu_count, gpu_count, memory_mb
    from asyncflow.machine.events import Limits

    return Limits(
        slots=options.slots,
        async_slots=options.max_async,
        remote_slots=options.max_remote,
        most_losses=options.spot_retries,
        cpu=cpu_count(),
        memory_mb=memory_mb(),
        gpu=gpu_count(),
        keep_going=options.keep_going,
        failure_grace_s=options.failure_grace_s,
        max_splits=options.max_num_splits,
    )


def describe(
    flow: ChosenFlow, options: RunOptions, argv: Sequence[str], project: ProjectBranch | None = None
) -> dict[str, Any]:  # Any: JSON-like
    """Return what is recorded of a run for readers, and for `resume`."""
    from asyncflow.runtime.description import describe_run
    from asyncflow.runtime.notify import without_secrets

    described = describe_run(
        flow.flow_class,
        flow.file,
        argv=without_secrets(list(argv)) if options.notify else argv,
        with_specs=options.with_specs,
        isolation=options.isolation,
        async_workers=options.async_workers,
        project=project,
    )
    if options.k8s_template is not None:
        described["k8s_template"] = os.path.abspath(options.k8s_template)
    return described


def drive(
    flow: ChosenFlow,
    options: RunOptions,
    make_request: Callable[[], RunRequest],
    *,
    home: str,
    run: int | None = None,
    steps: Mapping[int, str] | None = None,
) -> int:
    """Drive a run to its end in this process, and show it; return the exit code.

    Args:
        flow: What to run.
        options: How.
        make_request: Called once the zygote is forked, as what it imports is not for tasks.
        home: The store's directory.
        run: The run to go on with. None: a new one.
        steps: Step by task, of tasks that exist already when a run is continued.
    """
    from asyncflow.cli.ui_choice import chosen_ui

    ui = chosen_ui(options.ui)
    if ui == "tui":
        from asyncflow.cli.apart import drive_apart  # forks: before any thread, event loop or SQLite

        return drive_apart(
            lambda made: exit_code_of(
                _drive(flow, options, make_request, lambda _: made, home=home, run=run)
            ),
            home=home,
        )
    ended = _drive(
        flow, options, make_request, lambda request: _make_ui(ui, request.graph, steps), home=home, run=run
    )
    return _tell_end(ended, home)


def drive_quietly(
    flow: ChosenFlow, options: RunOptions, make_request: Callable[[], RunRequest], *, home: str, ui: str
) -> int:
    """Drive a run to its end and show it as `ui` says, without a word on what to do next; return the exit code."""
    ended = _drive(
        flow, options, make_request, lambda request: _make_ui(ui, request.graph, None), home=home, run=None
    )
    return exit_code_of(ended)


def _drive(
    flow: ChosenFlow,
    options: RunOptions,
    make_request: Callable[[], RunRequest],
    make_ui: Callable[[RunRequest], _UI],
    *,
    home: str,
    run: int | None,
) -> RunResult:
    from asyncflow.backends.local import fork_zygote

    zygote = fork_zygote(flow.flow_class, scratch=temporary_directory(home))
    from asyncflow.runtime.api import continue_run, start_run  # asyncio and SQLite, not before the fork

    gc.set_threshold(_GARBAGE)
    request = make_request()
    watched = _Watched(make_ui(request), options, home, flow.name)
    try:
        if run is None:
            ended = start_run(request, home=home, zygote=zygote, observer=watched)
        else:
            ended = continue_run(request, run, home=home, zygote=zygote, observer=watched)
    except PlatformError as error:
        error.hint = _with_run(error.hint, watched.run)
        raise
    finally:
        watched.close()
    _call_hooks(flow, ended, home, is_json=options.ui == "json")
    return ended


def _call_hooks(flow: ChosenFlow, ended: RunResult, home: str, *, is_json: bool) -> None:
    from asyncflow.flow.decorators.hooks import exit_hooks_of

    if not exit_hooks_of(flow.flow_class):
        return
    import anyio

    from asyncflow.machine.events import RunStatus
    from asyncflow.runtime.exit_hooks import call_exit_hooks

    async def call() -> None:
        succeeded = ended.status is RunStatus.SUCCEEDED
        output = 2 if is_json else None  # stdout is for programs
        hooks = call_exit_hooks(
            flow.flow_class, flow.file, home=home, run=ended.run, succeeded=succeeded, output=output
        )
        async with aclosing(hooks):
            async for hook in hooks:
                if hook.problem:
                    terminal.err(f"Exit hook {hook.name} {hook.problem}. The run is as it was.")

    anyio.run(call)


class _Watched:
    """Writes the run id file and starts to notify; passes everything on to the UI."""

    def __init__(self, ui: _UI, options: RunOptions, home: str, flow: str) -> None:
        self.ui = ui
        self.run: int | None = None
        self._flow = flow
        self._run_id_file = options.run_id_file
        self._attribute_file = options.runner_attribute_file
        self._notify = options.notify
        self._home = home
        self._notifier: Notifier | None = None
        self.events = ui.events
        self.lines = ui.lines
        self.wait_ready = ui.wait_ready

    def registered(self, run: int) -> None:
        self.run = run
        if self._run_id_file is not None:
            _write("--run-id-file", self._run_id_file, str(run))
        if self._attribute_file is not None:
            import json  # only for programs that ask

            told = {"run_id": str(run), "flow_name": self._flow, "metadata": f"local@{self._home}"}
            _write("--runner-attribute-file", self._attribute_file, json.dumps(told))
        if self._notify is not None:
            from asyncflow.events.reader import Reader
            from asyncflow.runtime.notify import Notifier

            with Reader(f"{self._home}/{DATABASE}") as reader:
                row = reader.run(run)
            after = 0 if row is None else row.next_seq
            self._notifier = Notifier(self._notify, home=self._home, run=run, after=after)
        self.ui.registered(run)

    def close(self) -> None:
        """Show what is left to be shown, and wait for the last events to be posted."""
        self.ui.close()
        if self._notifier is not None:
            self._notifier.finish()


def _write(option: str, path: str, text: str) -> None:
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise CommandError(f"{option} {path}: {error.strerror}") from error


def _with_run(hint: str, run: int | None) -> str:
    """Put the run's id where a hint says `asyncflow resume`; whoever wrote it did not know the run."""
    return hint if run is None else _RESUME.sub(f"asyncflow resume {run}", hint)


def _make_ui(name: str, graph: Graph, steps: Mapping[int, str] | None) -> _UI:
    if name == "json":
        from asyncflow.cli.json_ui import JsonUI

        return JsonUI()
    if name == "none":
        from asyncflow.cli.silent_ui import SilentUI

        return SilentUI()
    from asyncflow.cli.plain import PlainUI

    return PlainUI(graph, steps)


def exit_code_of(ended: RunResult) -> int:
    """Return the exit code that says how a run ended."""
    from asyncflow.machine.events import RunStatus

    if ended.status is RunStatus.SUCCEEDED:
        return ExitCode.OK
    return ExitCode.INTERRUPTED if ended.status is RunStatus.CANCELLED else ExitCode.FAILURE


def _tell_end(ended: RunResult, home: str) -> int:
    code = exit_code_of(ended)
    if code == ExitCode.INTERRUPTED:
        tell_cancelled(ended.run)
    elif code != ExitCode.OK:
        from asyncflow.cli.root_cause import tell_root_cause

        tell_root_cause(home, ended.run)
    return code


def tell_cancelled(run: int) -> None:
    """Say on stderr that a run was cancelled, and how to go on."""
    terminal.err(Span(f"Run {run} was cancelled.", Style.BOLD))
    terminal.err(f"    To go on with what is left of it: asyncflow resume {run}")


def _check_step(info: StepInfo, needs: Resources, there: Resources) -> None:
    for name, unit, wanted, limit in (
        ("cpu", "", needs.cpu, there.cpu),
        ("memory", " MB", needs.memory_mb, there.memory_mb),
        ("gpu", "", needs.gpu, there.gpu),
    ):
        if wanted is not None and limit is not None and wanted > limit:
            raise ResourcesError(
                f"Step {info.name} asks for {name}={wanted:g}{unit}, and this machine has {limit:g}{unit}",
                where=info.where,
                source=info.source,
                hint=f"Lower {name} in @resources of step {info.name}, or run it on a larger machine.",
            )

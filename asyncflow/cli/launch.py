"""Starts a run, or goes on with one, and shows it: what `run` and `resume` have in common once all is decided.

The order matters. The flow is imported and checked first; then the zygote is forked, from a process without threads,
event loop or SQLite; then everything that runs is imported.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from asyncflow.cli import terminal
from asyncflow.cli.errors import CommandError
from asyncflow.cli.flow_file import ChosenFlow
from asyncflow.cli.options import RunOptions
from asyncflow.cli.terminal import Span, Style
from asyncflow.errors import ExitCode, UserError
from asyncflow.machine.events import Event, Limits, RunStatus
from asyncflow.machine.graph import Graph
from asyncflow.machine.ids import Attempt
from asyncflow.version import __version__

if TYPE_CHECKING:
    from asyncflow.flow.graph import FlowGraph
    from asyncflow.runtime.api import RunRequest, RunResult

__all__ = ["ResourcesError", "describe", "drive", "limits_of"]


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


def limits_of(options: RunOptions, graph: FlowGraph) -> Limits:
    """Return the run's capacity: what was asked for, on this machine.

    Raises:
        ResourcesError: A step asks for more than the machine has.
    """
    from asyncflow.backends.local.capacity import cpu_count, gpu_count, memory_mb

    limits = Limits(
        slots=options.max_workers,
        cpu=cpu_count(),
        memory_mb=memory_mb(),
        gpu=gpu_count(),
        keep_going=options.keep_going,
        failure_grace_s=options.failure_grace_s,
        max_splits=options.max_num_splits,
    )
    _check_resources(graph, limits)
    return limits


def describe(flow: ChosenFlow, options: RunOptions, argv: Sequence[str]) -> dict[str, Any]:  # Any: JSON-like
    """Return what is recorded of a run for readers, and for `resume`."""
    return {
        "flow_file": flow.file,
        "class": flow.name,
        "argv": list(argv),
        "cwd": os.getcwd(),
        "with": list(options.with_specs),
        "isolation": options.isolation,
        "versions": {
            "asyncflow_version": __version__,
            "python_version": ".".join(str(part) for part in sys.version_info[:3]),
        },
    }


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
    from asyncflow.backends.local import fork_zygote

    zygote = fork_zygote(flow.flow_class)
    from asyncflow.runtime.api import continue_run, start_run  # asyncio and SQLite, not before the fork

    request = make_request()
    watched = _Watched(_make_ui(options.ui, request.graph, steps), options.run_id_file)
    try:
        if run is None:
            ended = start_run(request, home=home, zygote=zygote, observer=watched)
        else:
            ended = continue_run(request, run, home=home, zygote=zygote, observer=watched)
    finally:
        watched.ui.close()
    return _tell_end(ended, home)


class _Watched:
    """Writes the run id file; passes everything on to the UI."""

    def __init__(self, ui: _UI, run_id_file: str | None) -> None:
        self.ui = ui
        self._run_id_file = run_id_file
        self.events = ui.events
        self.lines = ui.lines
        self.wait_ready = ui.wait_ready

    def registered(self, run: int) -> None:
        if self._run_id_file is not None:
            try:
                with open(self._run_id_file, "w", encoding="ascii") as file:
                    file.write(str(run))
            except OSError as error:
                raise CommandError(f"--run-id-file {self._run_id_file}: {error.strerror}") from error
        self.ui.registered(run)


def _make_ui(name: str, graph: Graph, steps: Mapping[int, str] | None) -> _UI:
    if name == "json":
        from asyncflow.cli.json_ui import JsonUI

        return JsonUI()
    if name == "none":
        from asyncflow.cli.silent_ui import SilentUI

        return SilentUI()
    from asyncflow.cli.plain import PlainUI

    return PlainUI(graph, steps)


def _tell_end(ended: RunResult, home: str) -> int:
    if ended.status is RunStatus.SUCCEEDED:
        return ExitCode.OK
    if ended.status is RunStatus.CANCELLED:
        terminal.err(Span(f"Run {ended.run} was cancelled.", Style.BOLD))
        terminal.err(f"    To go on with what is left of it: asyncflow resume {ended.run}")
        return ExitCode.INTERRUPTED
    from asyncflow.cli.root_cause import tell_root_cause

    tell_root_cause(home, ended.run)
    return ExitCode.FAILURE


def _check_resources(graph: FlowGraph, limits: Limits) -> None:
    for info in graph.steps.values():
        needs = graph.to_machine().steps[info.name].resources
        for name, wanted, there in (
            ("cpu", needs.cpu, limits.cpu),
            ("memory", needs.memory_mb, limits.memory_mb),
            ("gpu", needs.gpu, limits.gpu),
        ):
            if wanted is not None and there is not None and wanted > there:
                unit = " MB" if name == "memory" else ""
                raise ResourcesError(
                    f"Step {info.name} asks for {name}={wanted:g}{unit}, and this machine has {there:g}{unit}",
                    where=info.where,
                    source=info.source,
                    hint=f"Lower {name} in @resources of step {info.name}, or run it on a larger machine.",
                )

"""`python flow.py step STEP`, Metaflow's words: one task of a run, in this process.

For people who want to see a step run under a debugger, and for programs that drive Metaflow's flows task by task. The
task starts from tasks of a recorded run, leaves its manifest in that run's store, and tells nobody else.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from asyncflow.cli.errors import CommandError, NotFoundError
from asyncflow.cli.flow_file import ChosenFlow, class_option, load
from asyncflow.cli.group import OurCommand
from asyncflow.cli.numbers import Count
from asyncflow.cli.reading import OpenStore, open_store
from asyncflow.cli.runid import created_of, find_run, find_target
from asyncflow.cli.script import Script, first_specs
from asyncflow.errors import ExitCode

if TYPE_CHECKING:
    from asyncflow.events.rows import RunRow, TaskRow
    from asyncflow.worker.spec import RunSpec, TaskSpec

__all__ = ["command"]

_HELP = """Run one task of a step in this process, from the results of tasks that ended.

\b
  python flow.py step train --run-id 42 --task-id 901 --input-paths 42/start/1 --split-index 3

What it makes is stored as that task's result, and shown by nothing but a later `step` that starts from it. Metaflow's
schedulers call it; to try a step out, use `spin`.
"""


def command(script: Script | None = None) -> click.Command:
    """Make the command."""

    def step(step: str, **given: Any) -> int:  # Any: what click parsed
        file, class_name = given.pop("file", None), given.pop("class_name", None)
        if script is not None:
            file, class_name = script.file, script.class_name
        context = click.get_current_context()
        with open_store() as store:
            row = find_run(store.reader, given["run_id"], class_name)
            flow = _flow(store, row, file, class_name, first_specs(context))
            if step not in flow.checked_graph().steps:
                raise NotFoundError(
                    f"Flow {flow.name} has no step '{step}'",
                    hint=f"Its steps are {', '.join(flow.graph().steps)}.",
                )
            spec = _task_spec(store, row, step, flow, given)
            run_spec = _run_spec(store, row, flow, given)
        return _run(flow, run_spec, spec)

    where: list[click.Parameter] = [] if script is not None else [click.Argument(["file"], metavar="FLOW.py")]
    parameters: list[click.Parameter] = [
        *where,
        click.Argument(["step"], metavar="STEP"),
        *([] if script is not None else [class_option()]),
        click.Option(["--run-id"], required=True, metavar="RUN", help="The run the task belongs to."),
        click.Option(["--task-id"], required=True, type=Count(min=1), metavar="N", help="The task's number."),
        click.Option(
            ["--input-paths"],
            metavar="RUN/STEP/TASK,...",
            help="The tasks it starts from; none for the start step.",
        ),
        click.Option(["--split-index"], type=Count(min=0), metavar="N", help="Its index in a foreach."),
        click.Option(["--retry-count"], type=Count(min=0), default=0, metavar="N", help="Which try it is."),
        click.Option(["--max-user-code-retries"], type=int, default=0, hidden=True, expose_value=False),
        click.Option(
            ["--tag", "tags"], multiple=True, metavar="TAG", help="A tag that `current.tags` shows."
        ),
        click.Option(["--namespace"], metavar="TAG", help="Where the client looks."),
    ]
    return OurCommand(name="step", params=parameters, callback=step, help=_HELP)


def _flow(
    store: OpenStore,
    row: RunRow,
    file: Any,
    class_name: str | None,
    specs: tuple[str, ...],  # Any: a path
) -> ChosenFlow:
    from asyncflow.runtime.resuming import origin_configs

    configs = origin_configs(store.home, row.run, created_of(store.reader, row.run).meta)
    return load(str(file), class_name, specs, configs)


def _task_spec(store: OpenStore, row: RunRow, step: str, flow: ChosenFlow, given: dict[str, Any]) -> TaskSpec:
    from asyncflow.machine.ids import PARAMETERS_TASK, Attempt, ManifestKey
    from asyncflow.worker.spec import TaskSpec

    tasks = [_input(store, path) for path in (given["input_paths"] or "").split(",") if path.strip()]
    info = flow.graph().steps[step]
    split = None
    if info.is_join:
        split = _split_of(store, row, tasks, step)
    width = None if given["split_index"] is None or not tasks else tasks[0].width
    parameters = ManifestKey(row.run, PARAMETERS_TASK, 0)
    if not tasks and step != flow.graph().start:
        raise CommandError(
            f"Step {step} starts from tasks before it", hint="Name them: --input-paths RUN/STEP/TASK"
        )
    return TaskSpec(
        run=row.run,
        attempt=Attempt(given["task_id"], given["retry_count"]),
        step=step,
        inputs=[task.key for task in tasks] or [parameters],
        split=split,
        index=given["split_index"],
        width=width,
    )


def _input(store: OpenStore, path: str) -> TaskRow:
    target = find_target(store.reader, path.strip())
    if target.task is None:
        raise CommandError(f"'{path}' names no task", hint="Write it like 42/start/1.")
    return target.task


def _split_of(store: OpenStore, row: RunRow, tasks: list[TaskRow], step: str) -> Any:  # Any: a ManifestKey
    """Return where the split's manifest is whose branches a join joins."""
    from asyncflow.store.local import LocalStore

    if not tasks:
        raise CommandError(
            f"Step {step} is a join: it starts from tasks", hint="--input-paths RUN/STEP/TASK,..."
        )
    frames = LocalStore(store.home).read_manifest(*tasks[0].key).frames
    outer = tasks[0].path.rpartition(",")[0]
    splits = store.reader.tasks(row.run, step=frames[-1].split_step) if frames else []
    found = next((task for task in splits if task.path == outer), None)
    if found is None:
        raise CommandError(f"Task {tasks[0].run}/{tasks[0].step}/{tasks[0].task} is no branch of a split")
    return found.key


def _run_spec(store: OpenStore, row: RunRow, flow: ChosenFlow, given: dict[str, Any]) -> RunSpec:
    from asyncflow.machine.ids import PARAMETERS_TASK, ManifestKey
    from asyncflow.worker.spec import RunSpec

    namespace = given["namespace"]
    return RunSpec(
        run=row.run,
        flow=flow.name,
        flow_file=flow.file,
        store_root=store.home,
        parameters=ManifestKey(row.run, PARAMETERS_TASK, 0),
        user=row.user,
        tags=given["tags"],
        namespace=f"user:{row.user}" if namespace is None else namespace,
        looks_in_namespace=namespace is not None,
        origin_run=row.origin_run,
        environment={step: dict(values) for step, values in flow.graph().environment().items()},
    )


def _run(flow: ChosenFlow, run_spec: RunSpec, spec: TaskSpec) -> int:
    from asyncflow.machine.outcome import Succeeded
    from asyncflow.store.local import LocalStore
    from asyncflow.worker.attempt import run_attempt

    outcome = run_attempt(flow.flow_class, run_spec, spec, LocalStore(run_spec.store_root))
    sys.stdout.flush()
    return ExitCode.OK if isinstance(outcome, Succeeded) else ExitCode.FAILURE

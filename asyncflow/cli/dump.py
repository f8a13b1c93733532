"""`asyncflow dump`: the artifacts of a step or a task."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from asyncflow.cli import terminal
from asyncflow.cli.errors import CommandError, NotFoundError
from asyncflow.cli.group import OurCommand
from asyncflow.cli.numbers import Count
from asyncflow.cli.reading import OpenStore, open_store
from asyncflow.cli.runid import Target, created_of, find_target
from asyncflow.cli.script import Script
from asyncflow.cli.terminal import Span, Style
from asyncflow.errors import AsyncflowError, ExitCode, StoreError

if TYPE_CHECKING:
    from asyncflow.client.artifacts import Artifact
    from asyncflow.events.rows import TaskRow

__all__ = ["command"]

_HELP = """Show the artifacts of a step or a task.

\b
  asyncflow dump latest/train                     every task of a step
  asyncflow dump 42/train/7 --include model,score
  asyncflow dump 42/train/7 --file artifacts.pickle

Each artifact is shown as `name [size: bytes type: its type] = value`. Values of artifacts that are large are left out.
An artifact that cannot be loaded here is said so, and does not stop the others.
"""

_LONGEST_TEXT = 100_000
_PLAIN_MODULES = ("builtins", "NoneType")


def command(script: Script | None = None) -> click.Command:
    """Make the command."""

    def dump(path: str, is_private: bool, max_value_size: int, include: str | None, file: str | None) -> int:
        with open_store() as store:
            target = find_target(store.reader, path, None if script is None else script.class_name)
            if target.step is None and target.task is None:
                raise CommandError(
                    f"'{path}' is a whole run; dump shows a step or a task of it",
                    hint=f"Write {target.run.run}/STEP. Its steps: {', '.join(_steps(store, target))}",
                )
            names = None if include is None else [name.strip() for name in include.split(",") if name.strip()]
            dumped = _Dump(store, target, names=names, is_private=is_private, most=max_value_size)
            return dumped.show() if file is None else dumped.save(file)

    parameters: list[click.Parameter] = [
        click.Argument(["path"], metavar="RUN/STEP[/TASK]"),
        click.Option(
            ["--private/--no-private", "is_private"],
            default=False,
            show_default=True,
            help="Show artifacts whose name begins with an underscore, too.",
        ),
        click.Option(
            ["--max-value-size"],
            type=Count(min=0),
            default=1000,
            show_default=True,
            metavar="BYTES",
            help="Leave out the value of artifacts that are larger.",
        ),
        click.Option(["--include"], metavar="A,B", help="Only the artifacts of these names."),
        click.Option(
            ["--file"],
            type=click.Path(dir_okay=False),
            metavar="PICKLE",
            help="Write a dictionary of them all to a file instead: pathspec to name to value.",
        ),
    ]
    return OurCommand(name="dump", params=parameters, callback=dump, help=_HELP)


def _steps(store: OpenStore, target: Target) -> list[str]:
    return list(dict.fromkeys(count.step for count in store.reader.steps(target.run.run)))


class _Dump:
    """Shows or saves artifacts.

    Args:
        store: Where they are.
        target: A step or a task.
        names: Only these. None: all.
        is_private: Private ones, too.
        most: Longest artifact whose value is shown, bytes.
    """

    def __init__(
        self, store: OpenStore, target: Target, *, names: Sequence[str] | None, is_private: bool, most: int
    ) -> None:
        self._store = store
        self._target = target
        self._names = names
        self._is_private = is_private
        self._most = most
        self._has_tried_imports = False
        self._exit_code = ExitCode.OK

    def show(self) -> int:
        """Write every artifact to stdout."""
        for task in self._tasks():
            terminal.err(Span(f"Dumping {_path(task)}", Style.DIM))
            for artifact in self._artifacts(task):
                self._show(artifact)
        return self._exit_code

    def save(self, file: str) -> int:
        """Write every artifact that can be loaded to a pickle file; those that cannot are named on stderr."""
        content: dict[str, dict[str, Any]] = {}  # Any: the users' objects
        for task in self._tasks():
            values = content.setdefault(_path(task), {})
            for artifact in self._artifacts(task):
                try:
                    values[artifact.name] = self._load(artifact)
                except StoreError as error:
                    self._exit_code = ExitCode.FAILURE
                    terminal.err(f"{_path(task)}: {artifact.name} is left out: {error.message}")
        try:
            with open(file, "wb") as opened:
                pickle.dump(content, opened, protocol=pickle.HIGHEST_PROTOCOL)
        except OSError as error:
            raise CommandError(
                f"--file {file} cannot be written: {error.strerror}",
                hint="Name a file in a directory of yours.",
            ) from error
        terminal.err(f"Artifacts written to {file}")
        return self._exit_code

    def _tasks(self) -> Iterator[TaskRow]:
        target = self._target
        if target.task is not None:
            yield target.task
            return
        tasks = self._store.reader.tasks(target.run.run, step=target.step)
        if not tasks:
            raise NotFoundError(
                f"Step {target.step} of run {target.run.run} has no tasks: it has not run",
                hint=f"It ran {', '.join(_steps(self._store, target))}.",
            )
        yield from tasks

    def _artifacts(self, task: TaskRow) -> Iterator[Artifact]:
        from asyncflow.client.artifacts import artifacts_of

        try:
            found = {artifact.name: artifact for artifact in artifacts_of(self._store.artifacts, task.key)}
        except StoreError as error:
            words = (
                "left no artifacts"
                if task.status not in ("created", "running", "waiting")
                else "has not ended"
            )
            why = "" if words == "has not ended" else f": {error.message}"
            terminal.err(f"{_path(task)} {words}{why}")
            return
        for name in self._names or ():
            if name not in found:
                terminal.err(f"{_path(task)} has no artifact '{name}'")
        for artifact in found.values():
            if (
                artifact.name in self._names
                if self._names is not None
                else self._is_private or not artifact.is_private
            ):
                yield artifact

    def _show(self, artifact: Artifact) -> None:
        record = artifact.record
        head = f"{artifact.name} [size: {record.size_bytes} type: {record.type}]"
        if record.size_bytes > self._most:
            terminal.out(Span(head, Style.BOLD), " = (hidden: larger than --max-value-size)")
        else:
            terminal.out(Span(head, Style.BOLD), f" = {self._text(artifact)}")

    def _text(self, artifact: Artifact) -> str:
        try:
            text = repr(self._load(artifact))
        except AsyncflowError as error:
            self._exit_code = ExitCode.FAILURE
            return f"(cannot be loaded: {error.message})"
        except Exception as error:  # noqa: BLE001 - __repr__ is the user's, and may raise anything
            return f"(cannot be shown: {type(error).__name__} in its __repr__)"
        return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}..."

    def _load(self, artifact: Artifact) -> Any:  # Any: the user's object
        """Load a value; when its type is not to be found, with the flow's file imported."""
        try:
            return artifact.value()
        except StoreError:
            if self._has_tried_imports or artifact.record.type.partition(".")[0] in _PLAIN_MODULES:
                raise
        self._import_flow()
        return artifact.value()

    def _import_flow(self) -> None:
        """Import the flow's file, where what it stores is often defined. If that fails, so be it."""
        from asyncflow.flow.load import load_flow

        self._has_tried_imports = True
        meta = created_of(self._store.reader, self._target.run.run).meta
        file = meta.get("flow_file")
        if not isinstance(file, str):
            return
        try:
            load_flow(file, meta.get("class"))
        except AsyncflowError:
            directory = os.path.dirname(file)
            if directory not in sys.path:
                sys.path.insert(0, directory)


def _path(task: TaskRow) -> str:
    return f"{task.run}/{task.step}/{task.task}"

"""Runs a flow's file in a process of its own, from any thread, with or without an event loop."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

import anyio
import anyio.to_thread

from asyncflow.runner.arguments import (
    BEFORE_OPTIONS,
    RUN_OPTIONS,
    SPIN_OPTIONS,
    checked,
    parameter_arguments,
    to_arguments,
)
from asyncflow.runner.executing import Executing, ExecutingRun, ExecutingTask
from asyncflow.runner.launched import POLL_S, Launched, RunnerError
from asyncflow.store.home import HOME_VARIABLE

__all__ = ["Runner"]

_RESUME_OPTIONS = ("origin_run_id", "step_to_rerun")
Started = TypeVar("Started", bound=Executing)


class Runner:
    """Runs a flow in a process of its own. Use it in a `with` or `async with`, which ends what still runs.

    Args:
        flow_file: The flow's file.
        show_output: Print what the run prints, as it comes.
        profile: Which configuration file counts, as METAFLOW_PROFILE says. None: as for us.
        env: Environment variables for the run, beside our own.
        cwd: Its working directory. None: ours.
        file_read_timeout: Longest wait for the run to be recorded, seconds.
        **kwargs: Metaflow's top-level options: `decospecs` (for `--with`), `config` and `config_value` (pairs of a
            name and a file or value, or a dictionary), `branch`, `production`, `trigger`, `datastore_root`,
            `class_name`; `environment`, `metadata` and `datastore` only as "local".

    Raises:
        ValueError: An option is not known, or the file is not there.
    """

    def __init__(
        self,
        flow_file: str | os.PathLike[str],
        show_output: bool = True,
        profile: str | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        file_read_timeout: float = 3600,
        **kwargs: Any,
    ) -> None:
        self.flow_file = os.path.abspath(os.path.join(cwd or "", flow_file))
        if not os.path.isfile(self.flow_file):
            raise ValueError(f"there is no flow file {self.flow_file}")
        root = kwargs.pop("datastore_root", None)
        checked(kwargs, tuple(BEFORE_OPTIONS), "Runner")
        for name, value in kwargs.items():
            known = BEFORE_OPTIONS[name]
            if known is not None and value not in known:
                raise ValueError(f"{name}={value!r}: only {' or '.join(map(repr, known))} is known here")
        self.show_output = show_output
        self._options = {name: value for name, value in kwargs.items() if BEFORE_OPTIONS[name] is None}
        self._env = dict(env or {})
        if profile is not None:
            self._env["METAFLOW_PROFILE"] = profile
        if root is not None:
            self._env[HOME_VARIABLE] = os.path.abspath(os.path.join(cwd or "", root))
        self._cwd = None if cwd is None else os.path.abspath(cwd)
        self._patience_s = file_read_timeout
        self._launched: list[Launched] = []
        self._parameters: list[dict[str, Any]] | None = None

    def run(self, **kwargs: Any) -> ExecutingRun:
        """Run the flow, and wait until it has ended. A run that fails is no exception: see `status`.

        Args:
            **kwargs: The flow's parameters, and `tags`, `max_workers`, `max_num_splits`, `decospecs` and more.

        Raises:
            ValueError: There is no such option or parameter.
            TypeError: A parameter's value is of the wrong type.
            RunnerError: The process ended before there was a run, for example for a mistake in the flow.
        """
        return self._to_end(self._start(self._run_command(kwargs), kwargs.get("run_id_file")))

    def resume(self, **kwargs: Any) -> ExecutingRun:
        """Resume a run of the flow, and wait until it has ended.

        Args:
            **kwargs: `origin_run_id` (else the flow's latest run), `step_to_rerun`, and options as of `run`.

        Raises:
            ValueError: There is no such option.
            RunnerError: There is nothing to resume, or the flow cannot be run.
        """
        return self._to_end(self._start(self._resume_command(kwargs), kwargs.get("run_id_file")))

    def spin(self, pathspec: str, **kwargs: Any) -> ExecutingTask:
        """Run one step again with what an earlier task of it began with, and wait until it has ended.

        Args:
            pathspec: `STEP`, `RUN/STEP` or `RUN/STEP/TASK`, as of `asyncflow spin`.
            **kwargs: `artifacts_module`, `skip_decorators`. What it makes is kept, with `persist` or without.

        Raises:
            ValueError: There is no such option.
            RunnerError: There is no such step or task, or the flow cannot be run.
        """
        return self._to_end(
            self._start(self._spin_command(pathspec, kwargs), kwargs.get("run_id_file")), ExecutingTask
        )

    async def async_run(self, **kwargs: Any) -> ExecutingRun:
        """Start a run of the flow; returns as soon as it is recorded. Arguments and errors as of `run`."""
        command = await anyio.to_thread.run_sync(self._run_command, kwargs)
        return await self._to_id(self._start(command, kwargs.get("run_id_file")))

    async def async_resume(self, **kwargs: Any) -> ExecutingRun:
        """Start to resume a run; returns as soon as that is recorded. Arguments and errors as of `resume`."""
        command = await anyio.to_thread.run_sync(self._resume_command, kwargs)
        return await self._to_id(self._start(command, kwargs.get("run_id_file")))

    async def async_spin(self, pathspec: str, **kwargs: Any) -> ExecutingTask:
        """Start to run one step again; returns as soon as that is recorded. Arguments and errors as of `spin`."""
        launched = self._start(self._spin_command(pathspec, kwargs), kwargs.get("run_id_file"))
        return await self._to_id(launched, ExecutingTask)

    def cleanup(self) -> None:
        """End what still runs, and remove temporary files. Blocking. Safe to call twice."""
        for launched in self._launched:
            launched.ask_to_end()
        for launched in self._launched:
            launched.clean_up()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cleanup()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with anyio.CancelScope(shield=True):  # bounded: what takes too long is killed
            await anyio.to_thread.run_sync(self.cleanup)

    # How

    def _run_command(self, given: Mapping[str, Any]) -> list[str]:
        options = {name: value for name, value in given.items() if name in RUN_OPTIONS}
        values = {name: value for name, value in given.items() if name not in RUN_OPTIONS}
        arguments = parameter_arguments(self._known_parameters(), values) if values else []
        return ["run", self.flow_file, "--ui", "plain", *self._arguments(options), *arguments]

    def _resume_command(self, given: Mapping[str, Any]) -> list[str]:
        checked(given, (*_RESUME_OPTIONS, *RUN_OPTIONS), "resume")
        options = {name: value for name, value in given.items() if name in RUN_OPTIONS}
        origin = given.get("origin_run_id")
        target = f"{self._flow_name()}/latest" if origin is None else str(origin)
        step = given.get("step_to_rerun")
        return [
            "resume",
            target,
            *([] if step is None else [str(step)]),
            "--file",
            self.flow_file,
            "--ui",
            "plain",
            *self._arguments(options, is_run=False),
        ]

    def _spin_command(self, pathspec: str, given: Mapping[str, Any]) -> list[str]:
        checked(given, SPIN_OPTIONS, "spin")
        options = {name: value for name, value in given.items() if name != "persist"}
        chosen = self._options.get("class_name")
        where = [] if chosen is None else ["--class", str(chosen)]
        return ["spin", self.flow_file, pathspec, "--persist", *where, *to_arguments(options)]

    def _arguments(self, options: Mapping[str, Any], *, is_run: bool = True) -> list[str]:
        mine = dict(self._options)
        if not is_run:  # a resumed run has what its origin had
            mine = {name: value for name, value in mine.items() if name in ("class_name", "decospecs")}
        decospecs = [*_listed(mine.pop("decospecs", None)), *_listed(options.get("decospecs"))]
        return to_arguments({**mine, **options, "decospecs": decospecs or None})

    def _known_parameters(self) -> list[dict[str, Any]]:
        if self._parameters is None:
            self._describe()
        assert self._parameters is not None
        return self._parameters

    def _flow_name(self) -> str:
        return self._describe()

    def _describe(self) -> str:
        """Ask a process of its own what the flow is, so that its file is not imported in this one."""
        command = [sys.executable, "-P", "-m", "asyncflow", "graph", self.flow_file, "--format", "json"]
        known = ("class_name", "config", "config_value")
        done = subprocess.run(
            [*command, *to_arguments({name: self._options.get(name) for name in known})],
            env={**os.environ, **self._env},
            cwd=self._cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RunnerError(done.stderr.strip())
        told = json.loads(done.stdout[done.stdout.index("{") :])  # the file may print while it is imported
        self._parameters = told["parameters"]
        return str(told["flow"])

    def _start(self, command: list[str], id_file: str | None = None) -> Launched:
        launched = Launched(command, env=self._env, cwd=self._cwd, id_file=id_file)
        self._launched.append(launched)
        return launched

    def _to_end(self, launched: Launched, kind: type[Started] = ExecutingRun) -> Started:
        try:
            while launched.returncode is None:
                time.sleep(POLL_S)
                if self.show_output:
                    launched.show()
        except BaseException:
            launched.end()
            raise
        run = launched.run_id()
        if self.show_output:
            launched.show()
        assert run is not None, "a process that has ended has said which run it was, or run_id() raised"
        return kind(launched, run)

    async def _to_id(self, launched: Launched, kind: type[Started] = ExecutingRun) -> Started:
        try:
            with anyio.fail_after(self._patience_s):
                while (run := launched.run_id()) is None:  # noqa: ASYNC110 - a file, not an event
                    await anyio.sleep(POLL_S)
                executing = kind(launched, run)
                while launched.returncode is None and not executing.is_recorded:  # noqa: ASYNC110 - a file
                    await anyio.sleep(POLL_S)
        except BaseException:
            with anyio.CancelScope(shield=True):  # bounded: the process is killed when it takes too long
                await anyio.to_thread.run_sync(launched.end)
            raise
        return executing


def _listed(value: Any) -> list[str]:
    return [] if value is None else [value] if isinstance(value, str) else list(value)

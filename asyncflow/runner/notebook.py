"""Runs a flow that is defined in a notebook's cell."""

from __future__ import annotations

import ast
import linecache
import os
import shutil
import tempfile
from collections.abc import Mapping
from typing import Any

from asyncflow.client.runs import Run
from asyncflow.runner.executing import ExecutingRun
from asyncflow.runner.launched import RunnerError
from asyncflow.runner.runner import Runner

__all__ = ["NBRunner"]


class NBRunner:
    """Runs a flow's class that is defined in a notebook's cell, in a process of its own.

    The cell is written to a file: its imports, functions, classes and assignments up to the flow, so what the flow
    uses must be in the same cell.

    Args:
        flow: The class.
        show_output: Print what the run prints, as it comes.
        profile: Not known here; only None.
        env: Environment variables for the run, beside our own.
        base_dir: Where to write the file, and the run's working directory. None: a temporary directory for the
            file, and ours to work in.
        file_read_timeout: Longest wait for the run to be recorded, seconds.
        **kwargs: As of `Runner`.

    Raises:
        RunnerError: The cell's text is not to be had.
    """

    def __init__(
        self,
        flow: type,
        show_output: bool = True,
        profile: str | None = None,
        env: Mapping[str, str] | None = None,
        base_dir: str | os.PathLike[str] | None = None,
        file_read_timeout: float = 3600,
        **kwargs: Any,
    ) -> None:
        text = _flow_text(flow)
        self._temporary = tempfile.mkdtemp(prefix="asyncflow-notebook-") if base_dir is None else None
        directory = self._temporary or os.path.abspath(base_dir or "")
        self.flow_file = os.path.join(directory, f"{flow.__name__}.py")
        with open(self.flow_file, "w", encoding="utf-8") as file:
            file.write(text)
        cwd = None if base_dir is None else directory
        self.runner = Runner(
            self.flow_file,
            show_output=show_output,
            profile=profile,
            env=env,
            cwd=cwd,
            file_read_timeout=file_read_timeout,
            **kwargs,
        )

    def nbrun(self, **kwargs: Any) -> Run:
        """Run the flow, wait, clean up; return the run. Arguments and errors as of `Runner.run`."""
        try:
            return self.runner.run(**kwargs).run
        finally:
            self.cleanup()

    def nbresume(self, **kwargs: Any) -> Run:
        """Resume a run of the flow, wait, clean up; return the run. Arguments and errors as of `Runner.resume`."""
        try:
            return self.runner.resume(**kwargs).run
        finally:
            self.cleanup()

    def run(self, **kwargs: Any) -> ExecutingRun:
        """Run the flow, and wait. As `Runner.run`; call `cleanup` afterwards."""
        return self.runner.run(**kwargs)

    def resume(self, **kwargs: Any) -> ExecutingRun:
        """Resume a run of the flow, and wait. As `Runner.resume`; call `cleanup` afterwards."""
        return self.runner.resume(**kwargs)

    async def async_run(self, **kwargs: Any) -> ExecutingRun:
        """Start a run of the flow. As `Runner.async_run`; call `cleanup` afterwards."""
        return await self.runner.async_run(**kwargs)

    async def async_resume(self, **kwargs: Any) -> ExecutingRun:
        """Start to resume a run. As `Runner.async_resume`; call `cleanup` afterwards."""
        return await self.runner.async_resume(**kwargs)

    def cleanup(self) -> None:
        """End what still runs, and remove temporary files. Blocking. Safe to call twice."""
        self.runner.cleanup()
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)


def _flow_text(flow: type) -> str:
    """Return the text of the cell that defines a class, as far as the class needs it. Raises RunnerError."""
    codes = (getattr(value, "__code__", None) for value in vars(flow).values())
    file = next((code.co_filename for code in codes if code is not None), None)
    source = "".join(linecache.getlines(file)) if file else ""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        tree = ast.Module([], [])
    kept: list[ast.stmt] = []
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == flow.__name__:
            return "\n\n".join(_text_of(source, one) for one in [*kept, node]) + "\n"
        if not isinstance(node, ast.Expr):
            kept.append(node)
    raise RunnerError(
        f"The text of the class {flow.__name__} is not to be had",
        hint="Define it in a cell of the notebook, or write it to a file and use Runner('flow.py').",
    )


def _text_of(source: str, node: ast.stmt) -> str:
    """Return a statement's own text, decorators included: the run's messages show its lines."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
    return "\n".join(source.splitlines()[first - 1 : node.end_lineno])

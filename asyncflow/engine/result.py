"""What a run leaves to the one who waits for it: the end step's artifacts, or why there are none."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from asyncflow.client.artifacts import Artifact, artifacts_of
from asyncflow.errors import AsyncflowError, StoreError
from asyncflow.events.reader import Reader
from asyncflow.store.layout import DATABASE
from asyncflow.store.local import LocalStore

__all__ = ["FinalArtifacts", "RunCancelled", "RunFailed", "RunStopped", "failure_of", "final_artifacts"]


class RunFailed(AsyncflowError):
    """A run has failed, so it has no result."""

    headline = "The run failed"


class RunCancelled(AsyncflowError):
    """A run was cancelled, so it has no result."""

    headline = "The run was cancelled"


class RunStopped(AsyncflowError):
    """Its engine was left before the run had ended. Nothing is lost: it can be resumed."""

    headline = "The run was interrupted"


class FinalArtifacts:
    """The artifacts of a run's end step, by attribute or by key. Each is loaded when it is first asked for.

    Loading blocks, briefly for what is small; for large values call `result.load(name)` in a thread.

    Args:
        artifacts: What the end step left, by name.
    """

    def __init__(self, artifacts: dict[str, Artifact]) -> None:
        self._artifacts = artifacts
        self._values: dict[str, Any] = {}  # Any: the user's objects

    def load(self, name: str) -> Any:  # Any: the user's object
        """Return an artifact's value.

        Raises:
            KeyError: There is none of that name.
            StoreError: Its bytes are missing or damaged, or its type cannot be rebuilt in this process.
        """
        if name not in self._values:
            self._values[name] = self._artifacts[name].value()
        return self._values[name]

    def __getitem__(self, name: str) -> Any:
        return self.load(name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name not in self._artifacts:
            raise AttributeError(f"the run's end step has no artifact {name!r}; it has {', '.join(self)}")
        return self.load(name)

    def __contains__(self, name: object) -> bool:
        return name in self._artifacts

    def __iter__(self) -> Iterator[str]:
        return (name for name, artifact in self._artifacts.items() if not artifact.is_private)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self]

    def __repr__(self) -> str:
        return f"FinalArtifacts({', '.join(self)})"


def final_artifacts(home: str, run: int, end: str) -> FinalArtifacts:
    """Return what the end step of a run that succeeded has left. Blocks. Raises StoreError."""
    with Reader(os.path.join(home, DATABASE)) as reader:
        tasks = reader.tasks(run, step=end)
    if not tasks:
        raise StoreError(f"Run {run} has no task of step {end}", hint="See what is there: asyncflow doctor")
    found = artifacts_of(LocalStore(home), tasks[-1].key)
    return FinalArtifacts({artifact.name: artifact for artifact in found})


def failure_of(home: str, run: int) -> RunFailed:
    """Return the error that says why a run has failed. Blocks. Raises StoreError."""
    with Reader(os.path.join(home, DATABASE)) as reader:
        row = reader.run(run)
        task = None if row is None or row.failed_task is None else reader.task(run, row.failed_task)
    hint = f"See what it printed: asyncflow logs {run}. Go on when it is corrected: asyncflow resume {run}"
    if task is None:
        return RunFailed(f"Run {run} failed", hint=hint)
    kind = (task.error_type or "").removeprefix("builtins.")
    what = f"{kind}: {task.error_message}" if kind else task.error_message
    return RunFailed(f"Run {run} failed in step {task.step} (task {task.task}): {what}", hint=hint)

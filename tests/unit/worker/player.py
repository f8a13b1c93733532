"""Plays a run by hand: each call is one attempt, with the inputs a scheduler would give it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from asyncflow.flow.parameters import constants_of
from asyncflow.machine.ids import Attempt, Frame, ManifestKey
from asyncflow.machine.outcome import ErrorInfo, Failed, Outcome, Succeeded
from asyncflow.store.local import LocalStore
from asyncflow.store.manifest import Manifest
from asyncflow.worker.attempt import run_attempt
from asyncflow.worker.parameters import write_parameters
from asyncflow.worker.spec import RunSpec, TaskSpec

RUN = 1


class Played:
    """One attempt that was played."""

    def __init__(self, player: Player, spec: TaskSpec, outcome: Outcome) -> None:
        self.spec = spec
        self.outcome = outcome
        self.key = ManifestKey(spec.run, spec.attempt.task, spec.attempt.number)
        self._player = player

    @property
    def manifest(self) -> Manifest:
        """What it left."""
        return self._player.store.read_manifest(*self.key)

    def __getitem__(self, name: str) -> Any:
        return self._player.store.load(self.manifest.artifacts[name], name=name)

    @property
    def names(self) -> set[str]:
        """Artifacts a user would know of."""
        return set(self.manifest.artifacts) - {"name", "_graph_info"}

    @property
    def new(self) -> list[str]:
        """Artifacts it made or changed, as its manifest says."""
        return [name for name, record in self.manifest.artifacts.items() if record.is_new]

    @property
    def error(self) -> ErrorInfo:
        """Why it failed."""
        assert isinstance(self.outcome, Failed), self.outcome
        return self.outcome.error

    @property
    def success(self) -> Succeeded:
        """That it went well."""
        assert isinstance(self.outcome, Succeeded), self.outcome
        return self.outcome


class Player:
    """Hands out task ids and remembers where things are."""

    def __init__(
        self, flow_class: type, store: LocalStore, parameters: Mapping[str, object] | None = None
    ) -> None:
        self.flow_class = flow_class
        self.store = store
        self.parameters = write_parameters(
            store, RUN, flow_class.__name__, parameters or {}, constants_of(flow_class), {"steps": {}}
        )
        self.run_spec = RunSpec(
            run=RUN,
            flow=flow_class.__name__,
            flow_file="flow.py",
            store_root=store.root,
            parameters=self.parameters,
            user="ada",
            tags=("nightly",),
        )
        self._last_task = 0

    def play(
        self,
        step: str,
        parent: Played | None = None,
        *,
        inputs: Sequence[Played] | None = None,
        split: Played | None = None,
        **options: Any,
    ) -> Played:
        """Run one attempt. For a join give `inputs` and `split`; for others the parent (None: it is the first)."""
        self._last_task += 1
        keys = [played.key for played in inputs or ()]
        if inputs is None:
            keys = [self.parameters if parent is None else parent.key]
        spec = TaskSpec(
            run=RUN,
            attempt=Attempt(self._last_task, 0),
            step=step,
            inputs=keys,
            split=None if split is None else split.key,
        )
        return self.run(replace(spec, **options))

    def children(self, step: str, parent: Played) -> list[Played]:
        """Run every branch of a foreach or gang."""
        width = parent.success.width or 0
        return [
            self.play(step, parent, index=index, width=width, frames=(Frame(parent.key.task, index),))
            for index in range(width)
        ]

    def run(self, spec: TaskSpec) -> Played:
        """Run an attempt as it is told."""
        return Played(self, spec, run_attempt(self.flow_class, self.run_spec, spec, self.store))

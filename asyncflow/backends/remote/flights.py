"""What a remote backend knows of an attempt in flight, and how attempts become jobs. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from asyncflow.backends.remote.platform import Gang, Job, Size
from asyncflow.backends.remote.provider import StepRequest
from asyncflow.backends.remote.specs import Luggage
from asyncflow.machine.ids import Attempt, ManifestKey
from asyncflow.records import record, replace
from asyncflow.worker.spec import RunSpec, TaskSpec

__all__ = ["Flight", "Ordering", "job_name", "size_of"]

_LONGEST_NAME = 63
_USUAL_MEMORY_MB = 4096.0
"""What a step has that does not say; as under Metaflow."""
_UNSAFE = re.compile(r"[^a-z0-9]+")


@record(frozen=False)
class Flight:
    """An attempt between its launch and its end."""

    base: ManifestKey | None = None
    """What its result is shortened by on its way through the platform's hands (`handover`). None: not known here."""
    is_submitted: bool = False
    is_started: bool = False
    is_stopped: bool = False
    is_forced: bool = False
    """It was stopped by force."""
    is_claimed: bool = False
    """Its job has ended because a worker that came before runs the attempt."""
    is_landing: bool = False
    """Its job has ended, and the store is asked how."""
    notes: tuple[str, ...] = ()
    """Why it is pending, as told: reasons that take turns, such as those of an image, are told once each."""
    heard_at: float = 0.0
    """When its worker gave its last sign of life, seconds since the epoch."""


@record
class Ordering:
    """What is the same for all jobs of a run."""

    run: RunSpec
    owner: str
    """Names the store, 8 hex digits."""
    luggage: Luggage
    steps: Mapping[str, StepRequest]
    """The steps that run on the platform."""
    gangs: Mapping[str, str]
    """Steps that run as gangs, and the split step that opens each."""
    command: Callable[[StepRequest, str], Sequence[str]]
    """What a container of a step runs, by the address of its spec object."""
    environment: Mapping[str, str]
    """For all workers."""
    has_cards: bool = False
    """Some steps have cards, which may be looked at while they run."""

    @property
    def run_for_workers(self) -> RunSpec:
        """The run's spec without what is of this machine only."""
        return replace(self.run, store_root="", flow_file="")

    def batches(self, specs: Sequence[TaskSpec], most: int) -> Iterator[Sequence[TaskSpec]]:
        """Yield attempts that are asked for together: of one step, in order of their tasks; a gang is kept whole."""
        by_step: dict[str, list[TaskSpec]] = {}
        for spec in specs:
            by_step.setdefault(spec.step, []).append(spec)
        for step, of_step in by_step.items():
            of_step.sort(key=lambda spec: spec.attempt)
            if step not in self.gangs:
                for begin in range(0, len(of_step), most):
                    yield of_step[begin : begin + most]
                continue
            by_gang: dict[int, list[TaskSpec]] = {}
            for spec in of_step:
                by_gang.setdefault(_scope_of(spec), []).append(spec)
            yield from by_gang.values()

    def jobs(self, specs: Sequence[TaskSpec], spec_url: str) -> list[Job]:
        """Return the jobs of one spec object, in its order."""
        command = tuple(self.command(self.steps[specs[0].step], spec_url))
        return [self._job(spec, index, command) for index, spec in enumerate(specs)]

    def _job(self, spec: TaskSpec, index: int, command: tuple[str, ...]) -> Job:
        asked = self.steps[spec.step]
        size = asked.size
        if spec.memory_factor != 1.0:
            memory_mb = _USUAL_MEMORY_MB if size.memory_mb is None else size.memory_mb
            size = size._replace(memory_mb=memory_mb * spec.memory_factor)
        return Job(
            name=job_name(self.owner, self.run.run, spec.step, spec.attempt),
            attempt=spec.attempt,
            run=self.run.run,
            flow=self.run.flow,
            step=spec.step,
            user=self.run.user,
            owner=self.owner,
            command=command,
            environment=self.environment,
            index=index,
            options=asked.options,
            size=size,
            timeout_s=spec.timeout_s,
            gang=self._gang(spec),
        )

    def _gang(self, spec: TaskSpec) -> Gang | None:
        if spec.step not in self.gangs or spec.width is None or spec.index is None:
            return None
        return Gang(_scope_of(spec), spec.width, spec.index)


def job_name(owner: str, run: int, step: str, attempt: Attempt) -> str:
    """Return what an attempt's job is called: a DNS label, the same whenever it is asked for, unlike any other's."""
    begin, end = f"af-{owner}-{run}", f"{attempt.task}-{attempt.number}"
    room = _LONGEST_NAME - len(begin) - len(end) - 2
    middle = _UNSAFE.sub("-", step.lower()).strip("-")[: max(0, room)].strip("-")
    return f"{begin}-{middle}-{end}" if middle else f"{begin}-{end}"


def _scope_of(spec: TaskSpec) -> int:
    return spec.frames[-1].scope if spec.frames else 0


_Options = Mapping[str, Any]  # Any: the values of a step's decorator


def size_of(options: _Options, resources: Mapping[str, float | None]) -> Size:
    """Return what a step's jobs take: of the decorator and @resources what is more.

    Args:
        options: The decorator's values.
        resources: What @resources says, by name: `cpu`, `memory` (MB), `gpu`, `disk` (MB).
    """

    def most(name: str) -> float | None:
        known = [_number(options.get(name)), resources.get(name)]
        return max((value for value in known if value is not None), default=None)

    return Size(cpu=most("cpu"), memory_mb=most("memory"), gpu=most("gpu"), disk_mb=most("disk"))


def _number(value: object) -> float | None:
    if value is None or isinstance(value, bool):
        return None
    try:
        return float(str(value))
    except ValueError:
        return None

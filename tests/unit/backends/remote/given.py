"""What the tests of this room begin with: specs, a step's request, an ordering."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asyncflow.backends.remote.flights import Ordering
from asyncflow.backends.remote.platform import Size
from asyncflow.backends.remote.provider import StepRequest
from asyncflow.backends.remote.specs import Luggage
from asyncflow.machine.ids import Attempt, Frame, ManifestKey
from asyncflow.worker.spec import RunSpec, TaskSpec

LUGGAGE = Luggage(attached=b"decorators", configs={"depth": 2}, flow_file="flow.py")
RUN = RunSpec(
    run=7,
    flow="F",
    flow_file="/here/flow.py",
    store_root="/here",
    parameters=ManifestKey(7, 0, 0),
    user="ada",
)


def task(number: int, step: str = "work", attempt: int = 0, **more: Any) -> TaskSpec:  # Any: any field
    """Return the spec of an attempt that starts from task 1."""
    given = {"inputs": (ManifestKey(7, 1, 0),), "frames": (Frame(1, number - 2),), **more}
    return TaskSpec(run=7, attempt=Attempt(number, attempt), step=step, **given)


def ordering(steps: Mapping[str, Size] | None = None, gangs: Mapping[str, str] | None = None) -> Ordering:
    """Return what is the same for all jobs; the platform's steps are those given, with their sizes."""
    sizes = steps or {"work": Size(), "train": Size()}
    return Ordering(
        run=RUN,
        owner="0badcafe",
        luggage=LUGGAGE,
        steps={name: StepRequest(step=name, options={"cpu": 1}, size=size) for name, size in sizes.items()},
        gangs=gangs or {},
        command=lambda step, url: ["run", step.step, url],
        environment={"METAFLOW_USER": "ada"},
    )

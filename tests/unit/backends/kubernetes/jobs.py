"""Jobs as the tests of this folder need them."""

from __future__ import annotations

from typing import Any

from asyncflow.backends.kubernetes.options import Defaults, PodOptions, resolve
from asyncflow.backends.remote.platform import Gang, Job, Size
from asyncflow.flow.decorators.compute import Kubernetes
from asyncflow.machine.ids import Attempt


def job(task: int = 12, number: int = 0, **more: Any) -> Job:
    """Return an attempt of step `train`; `options` is what its @kubernetes was given."""
    given = {
        "name": f"trainingflow-7-{task}-{number}-0badcafe",
        "run": 7,
        "flow": "TrainingFlow",
        "step": "train",
        "user": "ada",
        "owner": "0badcafe",
        "command": ("python", "-m", "asyncflow.worker", "s3://bucket/prefix/spec"),
        "environment": {"METAFLOW_USER": "ada", "TEMPLATE": "$(HOME) and $$"},
        "index": 3,
        "size": Size(cpu=2.0, memory_mb=8000.0, disk_mb=10240.0),
        **more,
    }
    return Job(attempt=Attempt(task, number), options=options(**given.pop("options", {})), **given)


def gang(size: int = 3) -> list[Job]:
    """Return a whole gang."""
    return [job(20 + index, index=index, gang=Gang(19, size, index)) for index in range(size)]


def options(**given: Any) -> dict[str, Any]:
    """Return a step's options as the decorator leaves them."""
    return Kubernetes(**given).attributes()


def resolved(one: Job, defaults: Defaults | None = None, namespace: str = "flows") -> PodOptions:
    """Return what a job asks for; its image does not depend on the Python that runs the tests."""
    return resolve(
        one.options,
        one.size,
        one.timeout_s,
        defaults=defaults or Defaults(image="python:3.11"),
        namespace=namespace,
    )

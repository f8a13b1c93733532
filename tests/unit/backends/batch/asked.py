"""What the tests of requests ask for."""

from __future__ import annotations

from typing import Any

from asyncflow.backends.batch.options import Options, Settings, resolve
from asyncflow.backends.remote.platform import Gang, Job, Size
from asyncflow.flow.decorators.base import make
from asyncflow.flow.decorators.compute import Batch
from asyncflow.machine.ids import Attempt
from asyncflow.records import replace

SETTINGS = Settings(queue="jobs", image="python:3.12", iam_role="arn:aws:iam::123456789012:role/job")


def options(size: Size | None = None, *, settings: Settings = SETTINGS, **given: Any) -> Options:
    """What a step with that `@batch` asks for."""
    attributes = make(Batch, given).attributes()
    return resolve(attributes, size or Size(), settings, step="work", where="flow.py:3")


def job(task: int = 5, number: int = 0, *, index: int = 0, gang: Gang | None = None, **more: Any) -> Job:
    """A job of a step."""
    plain = Job(
        name=f"af-0a1b2c3d-7-{task}-{number}",
        attempt=Attempt(task, number),
        run=7,
        flow="Wide",
        step="work",
        user="ada@example.org",
        owner="0a1b2c3d",
        command=("python", "-m", "asyncflow.worker", "s3://bucket/spec"),
        environment={"METAFLOW_USER": "ada@example.org"},
        index=index,
        gang=gang,
        options={},
        size=Size(),
    )
    return replace(plain, **more)

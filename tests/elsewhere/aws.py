"""Machines that run flows on a test's AWS Batch, and what is left there and in the bucket afterwards."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.elsewhere.story import Machine
from tests.services import moto
from tests.services.batch.handle import IMAGE, Batch

_ALIVE = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING")


def machine_at(folder: Path, batch: Batch, **more: str) -> Machine:
    """Make a machine whose runs are kept in the bucket, and whose settings name queue, image and role."""
    return Machine.at(
        folder,
        **{
            **batch.environment(),
            "AWS_ENDPOINT_URL": batch.endpoint,
            "ASYNCFLOW_STORE": store_of(batch),
            "ASYNCFLOW_BATCH_JOB_QUEUE": batch.queue,
            "ASYNCFLOW_BATCH_CONTAINER_IMAGE": IMAGE,
            "ASYNCFLOW_ECS_S3_ACCESS_IAM_ROLE": batch.job_role,
            "ASYNCFLOW_USER": "ada",
            **more,
        },
    )


@contextmanager
def going(machine: Machine, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start a command; whatever becomes of the test, it ends with it."""
    with machine.start(*arguments) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def store_of(batch: Batch) -> str:
    """Return where the machine's runs are kept."""
    return f"s3://{batch.bucket}/runs"


def keys(batch: Batch, prefix: str) -> list[str]:
    """Return the keys of the store's objects that begin so, such as `runs/1/claims/`."""
    client = moto.client(batch.endpoint)
    begin = f"runs/{prefix}"  # the store's own place in the bucket
    try:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=batch.bucket, Prefix=begin)
        return [found["Key"].removeprefix("runs/") for page in pages for found in page.get("Contents", ())]
    finally:
        client.close()


def jobs(batch: Batch) -> list[dict[str, Any]]:
    """Return all jobs of the queue, in short; arrays and gangs as one."""
    told = batch.client().list_jobs(
        jobQueue=batch.queue, filters=[{"name": "JOB_NAME", "values": ["af-*"]}], maxResults=100
    )
    return list(told["jobSummaryList"])


def alive(batch: Batch) -> list[str]:
    """Return the ids of the queue's jobs that have not ended."""
    return [job["jobId"] for job in jobs(batch) if job["status"] in _ALIVE]


def twice(names: list[str]) -> list[str]:
    """Return what is there more than once."""
    return [name for name, count in Counter(names).items() if count > 1]

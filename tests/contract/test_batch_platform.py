"""AWS Batch keeps the contract of platforms: with arrays and, where jobs do not follow each other, without."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest

from asyncflow.backends.batch.pace import Pace
from asyncflow.backends.batch.provider import BatchProvider
from asyncflow.backends.remote.platform import Job, Size
from asyncflow.records import replace
from asyncflow.testing.platform_suite import PlatformBench, PlatformSuite
from tests.services.batch.handle import IMAGE, Batch

PACE = Pace(quick_s=0.1, slow_s=0.5, lost_after_s=2, twins_after_s=0.5)
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}


def at_a_queue_that_is_not_there(job: Job) -> Job:
    return replace(job, options={**job.options, "queue": "no-such-queue"})


class TestBatch(PlatformSuite):
    @pytest.fixture
    def bench(self, batch: Batch, aws: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlatformBench:
        monkeypatch.setenv("AWS_ENDPOINT_URL", aws)
        batch.pace(timeout_scale=0.01, grace_s=2)
        scratch = tmp_path / "scratch"
        scratch.mkdir()
        role = batch.client("iam").create_role(
            RoleName=f"role-{uuid.uuid4().hex[:8]}", AssumeRolePolicyDocument=json.dumps(TRUST)
        )
        return PlatformBench(
            provider=BatchProvider(PACE),
            scratch=scratch,
            refusable=at_a_queue_that_is_not_there,
            options={"queue": batch.queue, "image": IMAGE, "iam_role": role["Role"]["Arn"]},
            size=Size(cpu=1, memory_mb=64),
            store_url=f"s3://{batch.bucket}/runs",
        )

"""How many requests a thousand tasks take."""

from __future__ import annotations

import pytest

from asyncflow.backends.remote.platform import EndReason
from tests.integration.batch.bench import jobs_of, opened, told_by
from tests.services.batch.handle import Batch

WIDTH = 1000


@pytest.mark.wide
async def test_a_thousand_tasks_take_few_requests(noop_batch: Batch) -> None:
    batch = noop_batch
    batch.pace(noop_s=1)
    async with opened(batch) as platform, told_by(platform) as told:
        batch.forget_calls()
        assert await platform.submit(jobs_of(batch, range(1, WIDTH + 1))) == []
        to_submit = sum(batch.calls().values())
        looks = 0
        while len(told.ends()) < WIDTH:
            await told.changed.wait()
            looks += 1
        calls = batch.calls()

    described = calls["batch:DescribeJobs"] + calls.get("batch:ListJobs", 0)
    assert to_submit <= 0.1 * WIDTH
    assert to_submit <= 3 + looks + described
    assert described / looks <= 0.05 * WIDTH
    assert set(told.reasons().values()) == {EndReason.SUCCEEDED}
    print(f"{to_submit} to submit, {described} to describe, {looks} looks, {calls}")  # noqa: T201


@pytest.mark.wide
async def test_a_thousand_jobs_that_are_no_array_are_described_by_hundreds(noop_batch: Batch) -> None:
    batch = noop_batch
    batch.pace(noop_s=3)
    async with opened(batch) as platform, told_by(platform) as told:
        await platform.submit(jobs_of(batch, range(1, 301), apart=True))
        batch.forget_calls()
        looks_before = len(told.seen)
        await told.ended(range(1, 301), within_s=40)

    assert len(told.seen) > looks_before
    assert batch.calls()["batch:DescribeJobs"] <= 0.05 * 300 * 20

"""A driver dies, another goes on, also on a machine that knows nothing: jobs are found by their names."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from asyncflow.backends.batch.caller import open_caller
from asyncflow.backends.batch.options import Settings
from asyncflow.backends.batch.platform import BatchPlatform
from asyncflow.backends.batch.provider import PROVIDER
from asyncflow.backends.batch.queues import look_at_queue
from asyncflow.backends.remote.platform import EndReason, Job, Phase
from asyncflow.machine.ids import Attempt
from asyncflow.records import replace
from tests.integration.batch.bench import (
    PACE,
    RUN,
    alive,
    context,
    eventually,
    held,
    jobs_of,
    opened,
    owner_of,
    shell,
    submitted,
    told_by,
)
from tests.services.batch import words
from tests.services.batch.handle import Batch


@asynccontextmanager
async def killed(batch: Batch) -> AsyncGenerator[BatchPlatform]:
    """A platform whose driver ends without a word."""
    async with open_caller() as caller:
        queues = {batch.queue: await look_at_queue(caller, batch.queue)}
        yield BatchPlatform(
            caller, owner=owner_of(batch), run=RUN, settings=Settings.read({}), queues=queues, pace=PACE
        )


def shuffled(batch: Batch, script: str) -> list[Job]:
    """Retries: their tasks do not follow each other, their places do."""
    jobs = jobs_of(batch, [31, 40, 36], shell(script), number=1)
    return [*jobs[:2], replace(jobs[2], attempt=Attempt(36, 2))]


async def test_jobs_of_every_kind_are_found_and_none_is_submitted_again(batch: Batch, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    wait = held(gate, "exit $((ASYNCFLOW_SPEC_INDEX + AWS_BATCH_JOB_ARRAY_INDEX))")
    everything = [
        *jobs_of(batch, [1], shell(held(gate))),
        *jobs_of(batch, range(10, 14), shell(wait)),
    ]
    retries = shuffled(batch, wait)
    async with killed(batch) as before:
        await before.submit(everything[:1])
        await before.submit(everything[1:])
        await before.submit(retries)
    attempts = [job.attempt for job in (*everything, *retries)]

    async with opened(batch) as platform, told_by(platform) as told:
        found = await platform.find([*attempts, Attempt(77, 0)])
        assert [one.attempt for one in found] == attempts
        assert all(one.phase is not Phase.ENDED for one in found)
        gate.touch()
        await platform.submit(everything[1:])
        await platform.submit(retries)
        await told.ended([1, 10, 11, 12, 13, 31, 40, 36])

    assert len(submitted(batch)) == 3
    assert {told.ends()[task].exit_code for task in (10, 31)} == {0}
    assert told.ends()[36].exit_code == 2


async def test_what_ended_meanwhile_is_told_at_once(batch: Batch) -> None:
    jobs = jobs_of(batch, range(10, 13), shell("exit $((AWS_BATCH_JOB_ARRAY_INDEX == 1))"))
    async with killed(batch) as before:
        await before.submit(jobs)
    batch.wait_until(lambda: not alive(batch), "they have ended")

    async with opened(batch) as platform, told_by(platform) as told:
        found = await platform.find([Attempt(11, 0), Attempt(12, 0)])
        await told.ended([11, 12])

    assert [one.end.reason for one in found if one.end] == [EndReason.FAILED, EndReason.SUCCEEDED]


async def test_a_request_that_arrives_after_the_look_is_seen_before_it_is_repeated(batch: Batch) -> None:
    jobs = jobs_of(batch, [5], shell("sleep 1"))
    async with opened(batch) as platform, told_by(platform) as told:
        assert await platform.find([Attempt(5, 0)]) == []
        async with killed(batch) as before:
            await before.submit(jobs)
        await platform.submit(jobs)
        await told.ended([5])

    assert len(submitted(batch)) == 1


async def test_of_two_jobs_for_one_attempt_one_is_ended(batch: Batch, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    jobs = jobs_of(batch, range(10, 13), shell(held(gate)))
    async with killed(batch) as one, killed(batch) as other:
        await other.submit([])  # it has looked, before there was anything
        await one.submit(jobs)
        await other.submit(jobs)
    assert len(submitted(batch)) == 2

    async with opened(batch) as platform, told_by(platform) as told:
        found = await platform.find([job.attempt for job in jobs])
        await eventually(lambda: len(alive(batch)) == 1, "one of the arrays lives")
        gate.touch()
        await told.ended([10, 11, 12])

    assert len(found) == 3
    assert set(told.reasons().values()) == {EndReason.SUCCEEDED}


async def test_orphans_are_listed_and_removed_and_others_jobs_left_alone(batch: Batch) -> None:
    running = jobs_of(batch, range(10, 13), shell("sleep 60"))
    others = [replace(job, owner="ffffffff") for job in jobs_of(batch, [1], shell("sleep 60"))]
    async with killed(batch) as platform:
        await platform.submit(running)
        await platform.submit(jobs_of(batch, [20]))
        await platform.submit(others)
    everything = context(batch, run=None)
    refs = {ref.attempt.task: ref for ref in await PROVIDER.jobs(everything)}
    assert set(refs) == {10, 11, 12, 20}
    assert {ref.run for ref in refs.values()} == {RUN}
    assert all(ref.created_at > 1e9 for ref in refs.values())
    assert await PROVIDER.jobs(context(batch, run=RUN + 1)) == []

    batch.forget_calls()
    await PROVIDER.remove(everything, [ref.id for ref in refs.values()] + ["no-such-job"])

    batch.wait_until(lambda: len(alive(batch)) == 1, "the other store's job is left")
    assert batch.calls()["batch:TerminateJob"] <= 2
    again = {ref.attempt.task: ref for ref in await PROVIDER.jobs(everything)}
    assert all(ref.is_over for ref in again.values())


@pytest.mark.wide
async def test_two_hundred_in_flight_are_found_again(noop_batch: Batch) -> None:
    batch = noop_batch
    batch.pace(noop_s=2)
    arrays = jobs_of(batch, range(1, 101))
    alone = jobs_of(batch, range(201, 301), apart=True)
    throttled = batch.fault(words.THROTTLED, "batch:SubmitJob", 1)
    async with killed(batch) as before:
        await before.submit(arrays)
        await before.submit(alone)

    async with opened(batch) as platform, told_by(platform) as told:
        found = await platform.find([job.attempt for job in (*arrays, *alone)])
        await platform.submit(arrays)
        await platform.submit(alone)
        await told.ended([job.attempt.task for job in (*arrays, *alone)], within_s=40)

    assert throttled.fired == 1
    assert len(found) == 200
    assert len(told.ends()) == 200
    assert batch.calls()["batch:SubmitJob"] - batch.refused_calls()["batch:SubmitJob"] == 101

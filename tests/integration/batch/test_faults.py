"""AWS answers late, wrongly, not at all, or no: nothing is submitted twice, nothing is lost, and people are told."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from asyncflow.backends.batch.book import Book, Tracked
from asyncflow.backends.batch.caller import open_caller
from asyncflow.backends.batch.failures import (
    BatchAccessDenied,
    BatchCredentialsError,
    BatchUnreachable,
)
from asyncflow.backends.batch.naming import ONE
from asyncflow.backends.batch.queues import look_at_queue
from asyncflow.backends.batch.watching import Watcher
from asyncflow.backends.remote.platform import EndReason, JobSeen
from asyncflow.machine.ids import Attempt
from asyncflow.records import replace
from tests.integration.batch.bench import (
    PACE,
    alive,
    eventually,
    held,
    jobs_of,
    opened,
    options,
    shell,
    submitted,
    told_by,
)
from tests.services.batch import words
from tests.services.batch.handle import Batch


@pytest.mark.parametrize("kind", [words.THROTTLED, words.BROKEN, words.UNAVAILABLE, words.DROPPED])
async def test_storms_on_every_request_are_survived(batch: Batch, kind: str) -> None:
    async with opened(batch) as platform, told_by(platform) as told:
        storms = [
            batch.fault(kind, f"batch:{action}", 3)
            for action in ("SubmitJob", "DescribeJobs", "RegisterJobDefinition", "DescribeJobDefinitions")
        ]
        new_shape = {"options": options(batch, shared_memory=100 + len(kind))}
        assert await platform.submit(jobs_of(batch, range(1, 4), **new_shape)) == []
        await told.ended(range(1, 4), within_s=50)

    assert [storm.fired for storm in storms] == [3, 3, 3, 3]
    assert set(told.reasons().values()) == {EndReason.SUCCEEDED}
    assert len(submitted(batch)) == 1


async def test_jobs_are_ended_through_a_storm(batch: Batch) -> None:
    async with opened(batch) as platform, told_by(platform) as told:
        await platform.submit(jobs_of(batch, [1], shell("sleep 60")))
        await told.running([1])
        storm = batch.fault(words.THROTTLED, "batch:TerminateJob", 3)

    assert storm.fired == 3
    batch.wait_until(lambda: not alive(batch), "nothing lives")


@pytest.mark.parametrize("tasks", [1, 3])
async def test_a_lost_answer_to_a_submission_leaves_one_job(batch: Batch, tasks: int) -> None:
    lost = batch.fault(words.LOST_ANSWER, "batch:SubmitJob")
    async with opened(batch) as platform, told_by(platform) as told:
        assert await platform.submit(jobs_of(batch, range(1, tasks + 1))) == []
        await told.ended(range(1, tasks + 1))

    assert lost.fired == 1
    assert len(submitted(batch)) == 1
    assert set(told.reasons().values()) == {EndReason.SUCCEEDED}


async def test_a_job_that_turns_out_to_be_there_twice_is_ended_once(batch: Batch, tmp_path: Path) -> None:
    """AWS may list late: what was submitted again because nothing was found may be there twice after all."""
    gate = tmp_path / "gate"
    async with opened(batch, pace=replace(PACE, twins_after_s=1)) as platform, told_by(platform) as told:
        dropped = batch.fault(words.DROPPED, "batch:SubmitJob")
        await platform.submit(jobs_of(batch, [1], shell(held(gate))))
        [mine] = alive(batch)
        first = batch.job(mine)
        batch.submit(
            first["jobDefinition"], first["jobName"], containerOverrides={"command": ["sleep", "60"]}
        )
        await eventually(lambda: len(submitted(batch)) == 2, "there are two")
        await eventually(lambda: alive(batch) == [mine], "the one that is watched is left")
        gate.touch()
        await told.ended([1])

    assert dropped.fired == 1
    assert told.reasons()[1] is EndReason.SUCCEEDED


async def test_an_interrupted_submission_is_ended_when_the_platform_closes(batch: Batch) -> None:
    lost = batch.fault(words.LOST_ANSWER, "batch:SubmitJob")
    broken = batch.fault(words.BROKEN, "batch:ListJobs", 4, skip=1)
    async with opened(batch, pace=replace(PACE, tries=4)) as platform:
        with pytest.raises(BatchUnreachable, match="cannot be looked at"):
            await platform.submit(jobs_of(batch, [1], shell("sleep 60")))
        assert len(alive(batch)) == 1

    assert (lost.fired, broken.fired) == (1, 4)
    batch.wait_until(lambda: not alive(batch), "nothing lives")


async def test_after_an_unknown_outcome_the_same_job_is_found_and_not_submitted_again(batch: Batch) -> None:
    lost = batch.fault(words.LOST_ANSWER, "batch:SubmitJob")
    broken = batch.fault(words.BROKEN, "batch:ListJobs", 4, skip=1)
    async with opened(batch, pace=replace(PACE, tries=4)) as platform, told_by(platform) as told:
        jobs = jobs_of(batch, [1], shell("sleep 1"))
        with pytest.raises(BatchUnreachable):
            await platform.submit(jobs)
        assert await platform.submit(jobs) == []
        await told.ended([1])

    assert (lost.fired, broken.fired) == (1, 4)
    assert len(submitted(batch)) == 1


async def test_credentials_that_expire_for_a_moment_are_read_anew(batch: Batch) -> None:
    async with opened(batch) as platform, told_by(platform) as told:
        expired = batch.fault(words.EXPIRED, "batch:SubmitJob")
        assert await platform.submit(jobs_of(batch, [1])) == []
        await told.ended([1])

    assert expired.fired == 1


async def test_credentials_that_have_expired_for_good_are_one_message(batch: Batch) -> None:
    async with opened(batch) as platform:
        await platform.submit(jobs_of(batch, [1], shell("sleep 2")))
        expired = batch.fault(words.EXPIRED, "batch:DescribeJobs", None)
        with pytest.raises(BatchCredentialsError, match="have expired") as caught:
            async for _ in platform.changes():
                pass

    assert expired.fired >= 3
    assert "asyncflow resume RUN" in caught.value.hint


async def test_a_missing_permission_is_one_message(batch: Batch) -> None:
    denied = batch.fault(words.DENIED, "batch:SubmitJob", None)
    async with opened(batch) as platform:
        with pytest.raises(BatchAccessDenied, match="SubmitJob") as caught:
            await platform.submit(jobs_of(batch, [1]))

    assert denied.fired == 1
    assert "asyncflow doctor --backend batch" in caught.value.hint


async def test_what_aws_says_of_one_request_refuses_its_jobs_only(batch: Batch) -> None:
    async with opened(batch) as platform, told_by(platform) as told:
        refused = await platform.submit(jobs_of(batch, range(1, 3), shell("x" * 9000)))
        await platform.submit(jobs_of(batch, [5]))
        await told.ended([5])

    assert [one.attempt.task for one in refused] == [1, 2]
    assert {one.reason for one in refused} == {EndReason.UNSCHEDULABLE}
    assert "8192" in refused[0].message


async def test_an_outage_while_jobs_run_is_waited_out(batch: Batch, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    async with opened(batch, pace=replace(PACE, tries=2)) as platform, told_by(platform) as told:
        await platform.submit(jobs_of(batch, [1], shell(held(gate))))
        await told.running([1])
        outage = batch.fault(words.UNAVAILABLE, "batch:DescribeJobs", 7)
        gate.touch()
        await told.ended([1])

    assert outage.fired == 7
    assert told.reasons()[1] is EndReason.SUCCEEDED


async def test_silence_for_too_long_is_an_error(batch: Batch) -> None:
    async with opened(batch, pace=replace(PACE, tries=2, silent_s=0.5)) as platform:
        await platform.submit(jobs_of(batch, [1], shell("sleep 1")))
        outage = batch.fault(words.DROPPED, "batch:DescribeJobs", None)
        with pytest.raises(BatchUnreachable, match="again and again"):
            async for _ in platform.changes():
                pass

    assert outage.fired > 3


async def test_a_job_aws_does_not_know_any_more_is_lost_but_not_at_once(batch: Batch) -> None:
    async with open_caller() as caller:
        queue = await look_at_queue(caller, batch.queue)
        book = Book()
        book.add(Tracked("11111111-0000", "af-x-1-s1-0", ONE, [Attempt(1, 0)], queue=queue, since=0))
        watcher = Watcher(caller, book, PACE)
        assert await watcher.look() == []
        told: list[JobSeen] = []
        while not told:
            await anyio.sleep(0.05)
            told += await watcher.look()

    assert [one.end.reason for one in told if one.end] == [EndReason.LOST]
    assert book.alive() == []


async def test_a_slow_account_gets_fewer_requests(batch: Batch) -> None:
    limit = batch.fault(words.LIMITED, "batch:.*", None, per_s=5, burst=2)
    async with opened(batch) as platform, told_by(platform) as told:
        await platform.submit(jobs_of(batch, range(1, 9), apart=True))
        await told.ended(range(1, 9), within_s=50)
    limited = limit.fired
    batch.heal()

    assert limited > 0
    assert len(submitted(batch)) == 8
    assert set(told.reasons().values()) == {EndReason.SUCCEEDED}


async def test_a_definition_is_registered_once_and_used_by_the_next_run(batch: Batch) -> None:
    mine = {"options": options(batch, shared_memory=65)}
    for run in range(2):
        async with opened(batch) as platform, told_by(platform) as told:
            await platform.submit(jobs_of(batch, [1 + run], **mine))
            await platform.submit(jobs_of(batch, [11 + run], **mine))
            await told.ended([1 + run, 11 + run])

    assert batch.calls()["batch:RegisterJobDefinition"] == 1
    assert batch.calls()["batch:DescribeJobDefinitions"] == 2

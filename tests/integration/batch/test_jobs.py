"""Jobs are submitted, seen, stopped, and their ends are told with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncflow.backends.remote.platform import EndReason, Gang, Phase, Size
from asyncflow.machine.ids import Attempt
from asyncflow.records import replace
from tests.integration.batch.bench import alive, jobs_of, opened, options, shell, told_by
from tests.services.batch import words
from tests.services.batch.handle import Batch


async def test_a_job_runs_and_its_end_is_told_with_aws_names(batch: Batch) -> None:
    batch.pace(step_s=0.3)
    async with opened(batch) as platform, told_by(platform) as told:
        refused = await platform.submit(jobs_of(batch, [3], shell("echo hello; sleep 0.5")))
        await told.ended([3])
        lines = await platform.read_logs(Attempt(3, 0))

    assert refused == []
    assert told.phases(3) == [Phase.PENDING, Phase.RUNNING, Phase.ENDED]
    end = told.ends()[3]
    assert (end.reason, end.exit_code) == (EndReason.SUCCEEDED, 0)
    metadata = told.metadata(3)
    assert metadata["aws-batch-job-id"] == told.seen[-1].where
    assert metadata["aws-batch-jq-name"] == batch.queue
    assert metadata["aws-batch-ce-name"] == batch.compute_environment
    assert metadata["aws-batch-awslogs-group"] == "/aws/batch/job"
    assert metadata["aws-batch-awslogs-region"] == "us-east-1"
    assert metadata["aws-batch-awslogs-stream"]
    assert [line.text for line in lines] == ["hello"]


async def test_tasks_that_follow_each_other_are_one_array_and_each_finds_its_place(batch: Batch) -> None:
    script = (
        '[ "$ASYNCFLOW_ARRAY_VARIABLE" = AWS_BATCH_JOB_ARRAY_INDEX ] || exit 99; '
        "exit $((ASYNCFLOW_SPEC_INDEX + AWS_BATCH_JOB_ARRAY_INDEX))"
    )
    async with opened(batch) as platform, told_by(platform) as told:
        assert await platform.submit(jobs_of(batch, range(10, 15), shell(script))) == []
        await told.ended(range(10, 15))

    assert {task: end.exit_code for task, end in told.ends().items()} == {10: 0, 11: 1, 12: 2, 13: 3, 14: 4}
    assert told.reasons()[10] is EndReason.SUCCEEDED
    assert told.reasons()[14] is EndReason.FAILED
    assert batch.calls()["batch:SubmitJob"] == 1
    assert told.metadata(14)["aws-batch-job-id"].endswith(":4")


async def test_submitting_again_what_is_known_changes_nothing(batch: Batch) -> None:
    async with opened(batch) as platform, told_by(platform) as told:
        jobs = jobs_of(batch, range(1, 4))
        await platform.submit(jobs)
        await platform.submit(jobs)
        await told.ended(range(1, 4))
        await platform.submit(jobs)

    assert batch.calls()["batch:SubmitJob"] == 1


@pytest.mark.parametrize(
    ("fate", "reason", "said"),
    [
        (words.OOM, EndReason.OUT_OF_MEMORY, "OutOfMemoryError"),
        (words.SPOT, EndReason.EVICTED, "Host EC2"),
        (words.NO_IMAGE, EndReason.IMAGE, "CannotPullContainerError"),
    ],
)
async def test_what_the_platform_does_to_a_job_is_told_in_its_words(
    batch: Batch, fate: str, reason: EndReason, said: str
) -> None:
    ordered = batch.fate(fate, "af-.*")
    async with opened(batch) as platform, told_by(platform) as told:
        await platform.submit(jobs_of(batch, [1], shell("sleep 20")))
        await told.ended([1])

    assert ordered.fired == 1
    assert told.reasons()[1] is reason
    assert said in told.ends()[1].message


async def test_a_spot_machine_that_goes_away_was_reclaimed(batch: Batch) -> None:
    queue = batch.new_queue(kind="SPOT")
    ordered = batch.fate(words.SPOT, "af-.*")
    on_spot = {"options": options(batch, queue=queue)}
    async with opened(batch, **on_spot) as platform, told_by(platform) as told:
        await platform.submit(jobs_of(batch, [1], shell("sleep 20"), **on_spot))
        await told.ended([1])

    assert ordered.fired == 1
    assert told.reasons()[1] is EndReason.SPOT


async def test_a_command_that_is_not_in_the_image_is_the_images_fault(batch: Batch) -> None:
    async with opened(batch) as platform, told_by(platform) as told:
        await platform.submit(jobs_of(batch, [1], ("/no/such/program",)))
        await told.ended([1])

    assert told.reasons()[1] is EndReason.IMAGE


async def test_a_job_that_takes_longer_than_its_limit_is_timed_out(batch: Batch) -> None:
    batch.pace(timeout_scale=0.005)
    async with opened(batch) as platform, told_by(platform) as told:
        await platform.submit(jobs_of(batch, [1], shell("sleep 20"), timeout_s=60))
        await told.ended([1])

    assert told.reasons()[1] is EndReason.TIMED_OUT


async def test_a_signal_is_told_as_waitpid_tells_it(batch: Batch) -> None:
    async with opened(batch) as platform, told_by(platform) as told:
        await platform.submit(jobs_of(batch, [1], shell("kill -9 $$")))
        await told.ended([1])

    end = told.ends()[1]
    assert (end.reason, end.exit_code) == (EndReason.FAILED, -9)
    assert "for want of memory" in end.message


async def test_a_job_that_never_starts_tells_why(batch: Batch) -> None:
    ordered = batch.fate(words.NEVER, "af-.*", None)
    async with opened(batch) as platform, told_by(platform) as told:
        await platform.submit(jobs_of(batch, [1]))
        await told.until(lambda: any("waits for machines" in one.note for one in told.seen), "a note")
        batch.client().update_job_queue(jobQueue=batch.queue, state="DISABLED")
        await told.until(
            lambda: any("DISABLED" in one.note for one in told.seen), "what is wrong with the queue"
        )
        await platform.stop([Attempt(1, 0)], force=False)
        await told.ended([1])

    assert ordered.fired
    assert told.reasons()[1] is EndReason.STOPPED


async def test_what_no_machine_has_is_told_by_aws(batch: Batch) -> None:
    async with opened(batch) as platform, told_by(platform) as told:
        await platform.submit(jobs_of(batch, range(1, 3), size=Size(cpu=1, memory_mb=10_000_000)))
        await told.until(lambda: any("MISCONFIGURATION" in one.note for one in told.seen), "AWS's reason")


async def test_part_of_an_array_is_stopped_and_then_the_rest(batch: Batch) -> None:
    async with opened(batch) as platform, told_by(platform) as told:
        await platform.submit(jobs_of(batch, range(1, 5), shell("sleep 60")))
        await told.running(range(1, 5))
        await platform.stop([Attempt(2, 0), Attempt(99, 0)], force=False)
        await told.ended([2])
        assert set(told.ends()) == {2}
        await platform.stop([Attempt(task, 0) for task in range(1, 5)], force=True)
        await told.ended(range(1, 5))

    assert set(told.reasons().values()) == {EndReason.STOPPED}
    assert batch.calls()["batch:TerminateJob"] == 2


async def test_somebody_else_ends_a_job(batch: Batch) -> None:
    async with opened(batch) as platform, told_by(platform) as told:
        await platform.submit(jobs_of(batch, [1], shell("sleep 60")))
        await told.running([1])
        batch.client().terminate_job(jobId=told.seen[0].where, reason="too expensive")
        await told.ended([1])

    assert told.reasons()[1] is EndReason.STOPPED
    assert "too expensive" in told.ends()[1].message


async def test_closing_ends_what_still_runs(batch: Batch) -> None:
    async with opened(batch) as platform:
        await platform.submit(jobs_of(batch, range(1, 4), shell("sleep 60")))
        await platform.submit(jobs_of(batch, range(10, 13), shell("sleep 60"), apart=True))
        assert alive(batch)
        await platform.aclose()
        await platform.aclose()

    batch.wait_until(lambda: not alive(batch), "nothing lives")
    assert batch.calls()["batch:TerminateJob"] == 4


async def test_a_gang_is_one_job_of_many_nodes_that_know_their_places(batch: Batch, tmp_path: Path) -> None:
    # the main node's end is the others' end, so it waits for theirs
    mark = f"{tmp_path}/$at"
    gone = f"until [ -s {mark} ]; do sleep 0.05; done; while kill -0 $(cat {mark}); do sleep 0.05; done"
    script = (
        '[ "$ASYNCFLOW_ARRAY_VARIABLE" = AWS_BATCH_JOB_NODE_INDEX ] || exit 99; '
        '[ "$AWS_BATCH_JOB_NUM_NODES" = 3 ] || exit 98; [ "$MF_WORLD_SIZE" = 3 ] || exit 97; '
        '[ -n "$MF_MASTER_ADDR" ] || exit 96; [ "$MF_PARALLEL_NODE_INDEX" = "$AWS_BATCH_JOB_NODE_INDEX" ] || exit 95; '
        f"echo $$ > {tmp_path}/$AWS_BATCH_JOB_NODE_INDEX; "
        f"[ $AWS_BATCH_JOB_NODE_INDEX != 0 ] || for at in 1 2; do {gone}; done; "
        "[ $AWS_BATCH_JOB_NODE_INDEX != 0 ] || sleep 0.3; "
        "exit $((ASYNCFLOW_SPEC_INDEX + AWS_BATCH_JOB_NODE_INDEX))"
    )
    plain = jobs_of(batch, range(5, 8), shell(script))

    gang = [replace(job, gang=Gang(id=4, size=3, index=at)) for at, job in enumerate(plain)]
    async with opened(batch, gang=True) as platform, told_by(platform) as told:
        assert await platform.submit(gang) == []
        await told.ended(range(5, 8))

    assert batch.calls()["batch:SubmitJob"] == 1
    assert told.metadata(7)["aws-batch-job-id"].endswith("#2")
    assert {task: end.exit_code for task, end in told.ends().items()} == {5: 0, 6: 1, 7: 2}


async def test_a_job_runs_on_fargate(batch: Batch) -> None:
    given = options(
        batch, queue=batch.new_queue(kind="FARGATE"), execution_role=batch.job_role, ephemeral_storage=30
    )
    small = {"options": given, "size": Size(cpu=0.25, memory_mb=512)}
    async with opened(batch, **small) as platform, told_by(platform) as told:
        assert await platform.submit(jobs_of(batch, [1], **small)) == []
        await told.ended([1])

    assert told.reasons()[1] is EndReason.SUCCEEDED
    assert told.metadata(1)["aws-batch-execution-env"] == "AWS_ECS_FARGATE"
    assert batch.job(told.seen[0].where)["platformCapabilities"] == ["FARGATE"]

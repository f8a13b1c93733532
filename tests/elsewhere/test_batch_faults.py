"""What may happen to requests and to jobs of AWS Batch, and what a run's own output says of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from asyncflow.store.s3.keys import claim_key
from tests.elsewhere import hands
from tests.elsewhere.aws import alive, going, jobs, keys, machine_at, twice
from tests.elsewhere.hands import Folder
from tests.elsewhere.story import Machine
from tests.services.batch import handle, words
from tests.services.batch.handle import Batch

FLOWS = Path(__file__).parent / "flows"
WIDE, MISHAPS, ONE = (str(FLOWS / f"{name}.py") for name in ("wide", "mishaps", "one"))
WIDTH = 20
TOTAL = f"the total is {WIDTH * (WIDTH - 1)}"


@pytest.fixture
def wide(aws: str) -> Iterator[Batch]:
    """A queue whose jobs are run by hands."""
    with handle.batch(aws, hands.RUNS, max_vcpus=10_000) as given:
        yield given


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Lets all jobs end."""
    made = Folder(tmp_path / "folder")
    made.allow(WIDTH)
    return made


def here(tmp_path: Path, batch: Batch, folder: Folder) -> Machine:
    return machine_at(tmp_path / "here", batch, WIDTH=str(WIDTH), FOLDER=str(folder.path))


def assert_each_was_run_once(batch: Batch, folder: Folder) -> None:
    assert (len(folder.ran()), twice(folder.ran())) == (WIDTH, [])
    assert len(keys(batch, "runs/1/claims/")) == WIDTH
    assert len(jobs(batch)) == 1
    assert alive(batch) == []


@pytest.mark.wide
@pytest.mark.timeout(120)
def test_storms_of_every_kind_pass(wide: Batch, folder: Folder, tmp_path: Path) -> None:
    kinds = (words.THROTTLED, words.BROKEN, words.UNAVAILABLE, words.DROPPED)
    actions = ("SubmitJob", "DescribeJobs", "DescribeJobDefinitions", "DescribeJobQueues")
    storms = [wide.fault(kind, f"batch:{action}") for kind in kinds for action in actions]
    lost = wide.fault(words.LOST_ANSWER, "batch:SubmitJob")

    said = here(tmp_path, wide, folder).run("run", WIDE, within_s=100)

    assert [storm.fired for storm in [*storms, lost]] == [1] * 17
    assert TOTAL in said
    assert_each_was_run_once(wide, folder)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_credentials_that_expire_stop_the_run_and_the_next_scheduler_takes_its_jobs_over(
    wide: Batch, folder: Folder, tmp_path: Path
) -> None:
    folder.allow(5)
    machine = here(tmp_path, wide, folder)
    with going(machine, "run", WIDE) as stops:
        wide.wait_until(lambda: len(folder.ran()) > 5, "some have ended, others go on", within_s=60)
        expired = wide.fault(words.EXPIRED, "batch:.*", None)
        said, _ = stops.communicate(timeout=100)

    assert expired.fired > 0
    wide.heal()
    assert stops.returncode == 1, said
    assert "the credentials have expired" in said
    assert "asyncflow resume" in said
    assert len(alive(wide)) == 1, "the jobs go on"

    folder.allow(WIDTH)
    assert TOTAL in machine.run("resume", "1", within_s=60)
    assert_each_was_run_once(wide, folder)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_what_happens_to_jobs_is_on_the_screen(batch: Batch, tmp_path: Path) -> None:
    batch.pace(timeout_scale=0.02)
    fates = [
        batch.fate(words.SPOT, "0-reclaimed$", after_s=1),
        batch.fate(words.OOM, "0-too_big$", after_s=1),
        batch.fate(words.NO_IMAGE, "no_image$"),
    ]
    with going(machine_at(tmp_path / "here", batch), "run", MISHAPS) as run:
        job = batch.wait_until(lambda: running(batch, "-ended"), "it runs", within_s=60)
        claim = claim_key(1, 5, 0)
        batch.wait_until(lambda: claim in keys(batch, "runs/1/claims/"), "its worker has begun", within_s=60)
        batch.client().terminate_job(jobId=job, reason="no more money")
        said, _ = run.communicate(timeout=100)

    assert run.returncode == 0, said
    assert [fate.fired for fate in fates] == [1, 1, 1]
    told = set(re.findall(r"\[1/(\w+/\d+)\] ([\w ,]+(?: on batch|starts again): .*)", said))
    assert {text.partition(" (instance")[0].partition(" response from")[0] for _, text in told} == {
        "Task was lost, and starts again: evicted on batch: Host EC2",
        "out of memory on batch: Essential container in task exited: "
        "OutOfMemoryError: Container killed due to memory usage",
        "image on batch: Task failed to start: CannotPullContainerError: Error",
        "stopped on batch: no more money",
        "timed out on batch: Job attempt duration exceeded timeout",
    }
    assert sorted(re.findall(r"trouble: (None|[\w.]+)", said)) == [
        "None",
        "None",
        "asyncflow.ImageError",
        "asyncflow.TimeoutException",
        "asyncflow.WorkerLost",
    ]
    assert memory_of(batch, "-too_big") == ["128", "256"]
    assert alive(batch) == []


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_spot_machine_that_is_taken_away_once_too_often_ends_the_run(aws: str, tmp_path: Path) -> None:
    with handle.batch(aws, kind="SPOT") as batch:
        fate = batch.fate(words.SPOT, "work", None, after_s=0.2)
        machine = machine_at(tmp_path / "here", batch)

        said = machine.run("run", ONE, "--spot-retries", "1", code=1, within_s=100)

        assert fate.fired == 2
        assert re.search(
            r"\] Task was lost, and starts again: spot on batch: Host EC2 \(instance \S+\) term", said
        )
        assert re.search(
            r"Step work \(task-id 2\) failed after 2 attempts\.\n\n    spot on batch: Host EC2", said
        )


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_job_that_never_starts_is_told_of_and_ends_with_ctrl_c(batch: Batch, tmp_path: Path) -> None:
    batch.fault(words.DENIED, "ec2:DescribeInstanceTypes", None)  # else it is known before the run starts
    with going(machine_at(tmp_path / "here", batch, MEMORY="100000"), "run", ONE) as waits:
        lines: list[str] = []
        for line in waits.stdout or ():
            lines.append(line)
            if "MISCONF" in line:
                break
        waits.send_signal(2)
        said, _ = waits.communicate(timeout=40)

    assert (
        "[1/work/2] Task is pending: MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - The job resource"
        in lines[-1]
    )
    assert re.sub(r"(?m)^2\S+ \S+ ", "", said) == (
        "Workflow interrupted. Asked by SIGINT.\n"
        "Terminating 1 active task...\n"
        "[1/work/2] Task was stopped.\n"
        "Run 1 was cancelled.\n"
        "    To go on with what is left of it: asyncflow resume 1\n"
    )
    assert alive(batch) == []
    assert [job["status"] for job in jobs(batch)] == ["FAILED"]


def running(batch: Batch, step: str) -> str:
    """Return the id of the running job of a step; empty: there is none."""
    return next(
        (job["jobId"] for job in jobs(batch) if job["jobName"].endswith(step) and job["status"] == "RUNNING"),
        "",
    )


def memory_of(batch: Batch, step: str) -> list[str]:
    """Return how much memory the jobs of a step had, in MiB."""
    return sorted(
        need["value"]
        for job in jobs(batch)
        if job["jobName"].endswith(step)
        for need in batch.job(job["jobId"])["container"]["resourceRequirements"]
        if need["type"] == "MEMORY"
    )

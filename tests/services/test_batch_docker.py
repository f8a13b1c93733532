"""Batch jobs in a real Docker engine: what processes of this machine cannot show."""

from __future__ import annotations

from typing import Any

import pytest

from tests.services.batch.handle import Batch

pytestmark = pytest.mark.needs("docker")

SHELL = ["sh", "-c"]


def memory(mib: int) -> dict[str, Any]:
    return {"resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": str(mib)}]}


@pytest.mark.slow
def test_a_job_runs_in_a_container_and_its_exit_code_is_told(docker_batch: Batch) -> None:
    batch = docker_batch
    job = batch.submit(
        batch.register([*SHELL, "ls -A /root /work; touch /usr/x; echo $AWS_BATCH_JOB_ID; exit 3"])
    )

    told = batch.wait(job)

    assert (told["status"], told["container"]["exitCode"]) == ("FAILED", 3)
    lines = batch.log(job)
    assert job in lines
    assert any("Read-only file system" in line for line in lines)


@pytest.mark.slow
def test_a_job_that_takes_too_much_memory_is_killed_for_it(docker_batch: Batch) -> None:
    batch = docker_batch
    eat = "data = b''\nwhile True: data += b'x' * (1 << 20)"
    job = batch.submit(batch.register(["python", "-c", eat], **memory(64)))

    told = batch.wait(job, within_s=40)

    assert told["container"]["exitCode"] == 137
    assert told["container"]["reason"] == "OutOfMemoryError: Container killed due to memory usage"
    assert told["statusReason"] == "Essential container in task exited"


@pytest.mark.slow
def test_logs_come_while_the_container_runs_and_it_ends_in_order_when_told_to(docker_batch: Batch) -> None:
    batch = docker_batch
    script = "trap 'echo ending; exit 0' TERM; echo up; while :; do sleep 0.05; done"
    job = batch.submit(batch.register([*SHELL, script]))
    batch.wait_until(lambda: batch.log(job) == ["up"], "its first line")
    assert batch.job(job)["status"] == "RUNNING"

    batch.client().terminate_job(jobId=job, reason="cancelled by me")
    told = batch.wait(job)

    assert (told["status"], told["statusReason"]) == ("FAILED", "cancelled by me")
    assert batch.log(job) == ["up", "ending"]


@pytest.mark.slow
def test_a_container_over_its_time_is_ended(docker_batch: Batch) -> None:
    batch = docker_batch
    batch.pace(timeout_scale=0.01, grace_s=1)
    job = batch.submit(batch.register(["sleep", "100"]), timeout={"attemptDurationSeconds": 60})

    told = batch.wait(job)

    assert told["statusReason"] == "Job attempt duration exceeded timeout"
    assert told["container"]["exitCode"] == 137


@pytest.mark.slow
def test_an_array_runs_in_containers_of_its_own(docker_batch: Batch) -> None:
    batch = docker_batch
    job = batch.submit(
        batch.register([*SHELL, "echo $AWS_BATCH_JOB_ARRAY_INDEX"]), arrayProperties={"size": 3}
    )

    told = batch.wait(job, within_s=40)

    assert told["status"] == "SUCCEEDED"
    assert [batch.log(f"{job}:{index}") for index in range(3)] == [["0"], ["1"], ["2"]]


@pytest.mark.slow
def test_what_cannot_start_says_why(docker_batch: Batch) -> None:
    batch = docker_batch
    no_image = batch.wait(batch.submit(batch.register(["true"], image="no/such-image:7")))
    no_program = batch.wait(batch.submit(batch.register(["no-such-program"])))

    assert no_image["statusReason"] == no_program["statusReason"] == "Task failed to start"
    assert no_image["container"]["reason"].startswith(
        "CannotPullContainerError: Error response from daemon: "
    )
    assert "no/such-image:7" in no_image["container"]["reason"]
    assert no_program["container"]["reason"].startswith("CannotStartContainerError: ")


@pytest.mark.slow
def test_pythons_own_image_has_a_bare_python_and_the_server_is_reached_on_loopback(
    docker_batch: Batch,
) -> None:
    batch = docker_batch
    code = (
        "import sys, urllib.request as r, importlib.util as u;"
        f"print(r.urlopen('{batch.endpoint}/moto-api/').status, u.find_spec('aiobotocore'))"
    )
    job = batch.submit(batch.register(["python", "-c", code], image="python:3.11"))

    assert batch.wait(job)["container"]["exitCode"] == 0, batch.log(job)
    assert batch.log(job) == ["200 None"]

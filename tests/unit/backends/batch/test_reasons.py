"""What AWS Batch, ECS and Docker say becomes a reason that people and retries understand."""

from __future__ import annotations

from typing import Any

import pytest

from asyncflow.backends.batch.reasons import end_of
from asyncflow.backends.remote.platform import End, EndReason

EXITED = "Essential container in task exited"
NOT_STARTED = "Task failed to start"


def failed(said: str = "", *, exit_code: int | None = None, reason: str = "", **more: Any) -> dict[str, Any]:
    container = {"exitCode": exit_code, "reason": reason}
    return {
        "status": "FAILED",
        "statusReason": said,
        "container": {name: value for name, value in container.items() if value not in (None, "")},
        **more,
    }


CASES = [
    (failed(EXITED, exit_code=3), EndReason.FAILED, 3),
    (failed(EXITED, exit_code=139), EndReason.FAILED, -11),
    (failed(EXITED, exit_code=137), EndReason.FAILED, -9),
    (
        failed(EXITED, exit_code=137, reason="OutOfMemoryError: Container killed due to memory usage"),
        EndReason.OUT_OF_MEMORY,
        -9,
    ),
    (failed("OutOfMemoryError: container killed due to memory usage"), EndReason.OUT_OF_MEMORY, None),
    (failed("Host EC2 (instance i-0123456789abcdef0) terminated."), EndReason.EVICTED, None),
    (failed("Your Spot Task was interrupted."), EndReason.SPOT, None),
    (failed("Job attempt duration exceeded timeout", exit_code=143), EndReason.TIMED_OUT, -15),
    (
        failed(
            NOT_STARTED,
            reason="CannotPullContainerError: Error response from daemon: manifest for x not found",
        ),
        EndReason.IMAGE,
        None,
    ),
    (
        failed(
            "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed"
        ),
        EndReason.IMAGE,
        None,
    ),
    (
        failed(
            NOT_STARTED,
            reason="CannotStartContainerError: Error response from daemon: OCI runtime create failed: "
            'exec: "python9": executable file not found in $PATH',
        ),
        EndReason.IMAGE,
        None,
    ),
    (
        failed(
            NOT_STARTED,
            reason="CannotStartContainerError: Error response from daemon: no space left on device",
        ),
        EndReason.UNSCHEDULABLE,
        None,
    ),
    (
        failed("ResourceInitializationError: failed to validate logger args: create stream has been retried"),
        EndReason.UNSCHEDULABLE,
        None,
    ),
    (
        failed("Canceled by JobStateTimeLimit action due to reason: CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"),
        EndReason.UNSCHEDULABLE,
        None,
    ),
    (failed("Container Overrides length must be at most 8192"), EndReason.UNSCHEDULABLE, None),
    (
        failed(NOT_STARTED, reason="DockerTimeoutError: Could not transition to created"),
        EndReason.EVICTED,
        None,
    ),
    (
        failed("Timeout waiting for network interface provisioning to complete."),
        EndReason.EVICTED,
        None,
    ),
    (failed("too expensive", isTerminated=True, exit_code=143), EndReason.STOPPED, -15),
    (failed("not needed", isCancelled=True), EndReason.STOPPED, None),
    (failed("ended by ada"), EndReason.STOPPED, None),
    (failed(), EndReason.LOST, None),
    (failed("Internal error"), EndReason.LOST, None),
]


@pytest.mark.parametrize(("job", "reason", "exit_code"), CASES)
def test_a_reason_is_told_from_aws_own_words(
    job: dict[str, Any], reason: EndReason, exit_code: int | None
) -> None:
    end = end_of(job)

    assert (end.reason, end.exit_code) == (reason, exit_code)
    assert str(job["statusReason"]) in end.message


def test_a_job_that_succeeded_did() -> None:
    assert end_of({"status": "SUCCEEDED"}) == End(EndReason.SUCCEEDED, "", 0)


def test_what_we_ended_was_stopped_whatever_its_exit_code() -> None:
    end = end_of(failed("asyncflow: stopped", exit_code=1), stopped_by_us=True)

    assert end.reason is EndReason.STOPPED


def test_what_ran_out_of_memory_before_it_could_be_stopped_did_so() -> None:
    job = failed(EXITED, exit_code=137, reason="OutOfMemoryError: Container killed due to memory usage")

    assert end_of(job, stopped_by_us=True).reason is EndReason.OUT_OF_MEMORY


def test_the_last_attempt_tells_what_the_job_does_not() -> None:
    job = failed(
        "x", attempts=[{"container": {"exitCode": 1}}, {"container": {"exitCode": 7, "reason": "why"}}]
    )

    assert end_of(job) == End(EndReason.FAILED, "x: why", 7)


def test_text_is_data() -> None:
    assert "\x1b" not in end_of(failed("\x1b[31mred", exit_code=1)).message


def test_137_without_a_reason_says_what_it_may_be() -> None:
    assert end_of(failed(EXITED, exit_code=137)).message.endswith("perhaps for want of memory")

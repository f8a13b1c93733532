"""From what a worker left and what its platform says to what the machine is told: every row of the table."""

from __future__ import annotations

import pytest

from asyncflow.backends.remote.conclusions import IMPORT, KILLED, TERMINATED, conclude
from asyncflow.backends.remote.platform import End, EndReason
from asyncflow.errors import StoreError
from asyncflow.machine.facts import WorkerLost, WorkerReported
from asyncflow.machine.ids import Attempt
from asyncflow.machine.outcome import OUT_OF_MEMORY, Failed, Succeeded
from asyncflow.store.left import Left
from asyncflow.store.manifest import ErrorRecord, Manifest
from asyncflow.store.manifests import encode_manifest

ATTEMPT = Attempt(3, 1)


def manifest(*, is_ok: bool = True) -> bytes:
    error = None if is_ok else ErrorRecord("builtins.ValueError", "no")
    return encode_manifest(Manifest("F", 7, "work", 3, 1, is_ok, error=error))


def concluded(left: Left | None, end: End | None) -> WorkerReported | WorkerLost:
    fact = conclude(ATTEMPT, left, end, at=5.0, platform="moon")
    assert (fact.attempt, fact.at) == (ATTEMPT, 5.0)
    return fact


def lost(left: Left | None, end: End | None) -> WorkerLost:
    fact = concluded(left, end)
    assert isinstance(fact, WorkerLost)
    return fact


@pytest.mark.parametrize("end", [None, *(End(reason) for reason in EndReason)])
def test_a_manifest_says_how_it_ended_whatever_the_platform_says(end: End | None) -> None:
    good, bad = concluded(Left(manifest()), end), concluded(Left(manifest(is_ok=False)), end)

    assert isinstance(good, WorkerReported)
    assert isinstance(good.outcome, Succeeded)
    assert isinstance(bad, WorkerReported)
    assert isinstance(bad.outcome, Failed)
    assert bad.outcome.error.type == "builtins.ValueError"


@pytest.mark.parametrize("reason", [EndReason.EVICTED, EndReason.SPOT, EndReason.LOST])
def test_a_step_that_was_terminated_as_its_place_was_taken_has_no_fault(reason: EndReason) -> None:
    failed, done = manifest(is_ok=False), manifest()

    fact = lost(Left(failed, reason=TERMINATED), End(reason, "node gone"))

    assert fact.is_our_fault
    assert "node gone" in fact.reason
    assert isinstance(concluded(Left(done, reason=TERMINATED), End(reason)), WorkerReported), (
        "it was quick enough"
    )
    assert isinstance(concluded(Left(failed, reason=TERMINATED), End(EndReason.STOPPED)), WorkerReported)


@pytest.mark.parametrize("reason", [EndReason.STOPPED, EndReason.TIMED_OUT])
def test_a_step_that_was_terminated_is_told_why_where_the_platform_says_it(reason: EndReason) -> None:
    told = End(reason, "no more money")

    fact = lost(Left(manifest(is_ok=False), reason=TERMINATED), told)

    assert "no more money" in fact.reason
    assert not fact.is_our_fault
    assert isinstance(concluded(Left(manifest(is_ok=False)), told), WorkerReported), "it failed before"


@pytest.mark.parametrize("end", [None, End(EndReason.FAILED, exit_code=1), End(EndReason.SUCCEEDED)])
def test_a_worker_that_knows_why_is_believed_where_the_platform_knows_less(end: End | None) -> None:
    killed = lost(Left(b"", problem="killed by signal 9", reason=KILLED), end)
    memory = lost(Left(b"", problem="killed by signal 9", reason=OUT_OF_MEMORY), end)

    assert (killed.reason, killed.kind) == ("killed by signal 9", "asyncflow.WorkerLost")
    assert memory.kind == OUT_OF_MEMORY
    assert "out of memory" in memory.reason
    assert not killed.is_our_fault
    assert not memory.is_our_fault


def test_the_platform_is_believed_where_it_knows_more() -> None:
    fact = lost(
        Left(b"", problem="killed by signal 9", reason=KILLED), End(EndReason.OUT_OF_MEMORY, "2 GB", 137)
    )

    assert (fact.kind, fact.exit_code) == (OUT_OF_MEMORY, 137)
    assert "moon" in fact.reason
    assert "2 GB" in fact.reason


def test_a_flow_that_cannot_be_imported_fails_and_is_not_tried_again() -> None:
    fact = concluded(
        Left(b"", problem="no module named x", reason=IMPORT), End(EndReason.FAILED, exit_code=1)
    )

    assert isinstance(fact, WorkerReported)
    assert isinstance(fact.outcome, Failed)
    assert not fact.outcome.error.is_retryable
    assert "no module named x" in fact.outcome.error.message


@pytest.mark.parametrize(
    ("reason", "kind", "is_our_fault", "is_retryable"),
    [
        (EndReason.OUT_OF_MEMORY, OUT_OF_MEMORY, False, True),
        (EndReason.EVICTED, "asyncflow.Evicted", True, True),
        (EndReason.SPOT, "asyncflow.SpotReclaimed", True, True),
        (EndReason.LOST, "asyncflow.WorkerLost", True, True),
        (EndReason.IMAGE, "asyncflow.ImageError", False, False),
        (EndReason.UNSCHEDULABLE, "asyncflow.Unschedulable", False, False),
        (EndReason.TIMED_OUT, "asyncflow.TimeoutException", False, True),
        (EndReason.STOPPED, "asyncflow.WorkerLost", False, True),
        (EndReason.FAILED, "asyncflow.WorkerLost", False, True),
        (EndReason.SUCCEEDED, "asyncflow.WorkerLost", False, True),
    ],
)
def test_each_end_without_a_result_has_its_kind(
    reason: EndReason, kind: str, is_our_fault: bool, is_retryable: bool
) -> None:
    fact = lost(None, End(reason, "the platform's words"))

    assert (fact.kind, fact.is_our_fault, fact.is_retryable) == (kind, is_our_fault, is_retryable)
    assert "the platform's words" in fact.reason


def test_a_job_that_nobody_knows_is_lost_through_no_fault_of_the_step() -> None:
    fact = lost(None, None)

    assert fact.is_our_fault
    assert "moon knows of no job" in fact.reason


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (None, "left no result"),
        (1, "exit code 1"),
        (137, "signal 9 (SIGKILL)"),
        (-11, "signal 11 (SIGSEGV)"),
        (250, "signal 122"),
        (75, "code package could not be fetched"),
        (78, "image cannot run a worker"),
    ],
)
def test_exit_codes_are_told_in_words(code: int | None, words: str) -> None:
    assert words in lost(None, End(EndReason.FAILED, exit_code=code)).reason


def test_a_damaged_manifest_is_an_error_of_the_store() -> None:
    with pytest.raises(StoreError, match="damaged"):
        concluded(Left(b"nonsense"), None)

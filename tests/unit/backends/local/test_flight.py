"""The words for how a process ended."""

from __future__ import annotations

import errno
import signal

from asyncflow.backends.local.flight import reason_of_end, reason_of_refusal


def test_an_exit_code_is_told() -> None:
    assert (
        reason_of_end(3, 0, is_forced=False) == "its process ended with exit code 3 before the step was done"
    )


def test_a_signal_is_named() -> None:
    assert reason_of_end(-signal.SIGSEGV, 0, is_forced=False) == "killed by signal 11 (SIGSEGV)"


def test_a_signal_without_a_name_is_told_by_number() -> None:
    assert reason_of_end(-50, 0, is_forced=False) == "killed by signal 50"


def test_a_kill_that_nobody_ordered_may_be_for_want_of_memory() -> None:
    assert reason_of_end(-9, 3 << 30, is_forced=False) == (
        "killed by signal 9 (SIGKILL), perhaps out of memory: it had used 3,072 MiB"
    )


def test_a_kill_that_was_ordered_says_so() -> None:
    assert reason_of_end(-9, 3 << 30, is_forced=True) == "killed by signal 9 (SIGKILL), as it was told to"


def test_a_refused_fork_says_what_is_missing() -> None:
    assert reason_of_refusal(errno.EAGAIN) == (
        "its process could not be started: Resource temporarily unavailable (EAGAIN): too many processes (`ulimit -u`)"
    )
    assert reason_of_refusal(errno.ENOMEM).endswith("(ENOMEM): not enough memory")
    assert "999" in reason_of_refusal(999)

"""What becomes of exceptions, timeouts and `@catch`."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from asyncflow import FlowSpec, catch, step
from asyncflow.machine.outcome import ErrorInfo, Failed
from asyncflow.store.local import LocalStore
from tests.unit.worker.player import Player

DO: dict[str, Any] = {}


class BadTextError(Exception):
    """An exception whose text cannot be had."""

    def __str__(self) -> str:
        raise ValueError("no text")


class Fragile(FlowSpec):
    """Does what the test says."""

    @step
    def start(self) -> None:
        self.before = "set"
        DO["it"](self)
        self.after = "not set"
        self.next(self.guarded)

    @catch(var="failure")
    @step
    def guarded(self) -> None:
        self.before = "set"
        DO["it"](self)
        self.next(self.quiet)

    @catch(var="other", print_exception=False)
    @step
    def quiet(self) -> None:
        DO["it"](self)
        self.next(self.end)

    @step
    def end(self) -> None:
        pass


def divide(flow: Any) -> None:
    """Fail in a function of the user's."""
    _ = 1 / 0


def nothing(flow: Any) -> None:
    """Go well."""


def leave(flow: Any) -> None:
    """Leave as a script does."""
    sys.exit(3)


def chain(flow: Any) -> None:
    """Fail because of a failure."""
    try:
        divide(flow)
    except ZeroDivisionError as error:
        raise KeyError("outer") from error


def shout(flow: Any) -> None:
    """Fail with a long text."""
    raise ValueError("x" * 100_000)


def recurse(flow: Any) -> None:
    """Fail deep down."""
    recurse(flow)


def unspeakable(flow: Any) -> None:
    """Fail with an error that cannot be shown."""
    raise BadTextError


def play(store: LocalStore, what: Any, step_name: str = "start", **options: Any) -> Any:
    player = Player(Fragile, store)
    DO["it"] = nothing
    first = player.play("start")
    DO["it"] = what
    return player.play(step_name, None if step_name == "start" else first, **options)


def test_a_failure_is_recorded_with_type_text_bases_and_the_users_frames(store: LocalStore) -> None:
    played = play(store, divide)
    error = played.error
    assert (error.type, error.message) == ("builtins.ZeroDivisionError", "division by zero")
    assert error.bases[:2] == ("builtins.ZeroDivisionError", "builtins.ArithmeticError")
    assert error.is_retryable is True
    assert "_ = 1 / 0" in error.traceback
    assert 'DO["it"](self)' in error.traceback
    assert "asyncflow/worker" not in error.traceback.replace("tests/unit/worker", "")
    assert played.manifest.is_ok is False
    assert played.manifest.error is not None
    assert played.manifest.error.traceback == error.traceback


def test_what_was_set_before_the_failure_is_kept(store: LocalStore) -> None:
    played = play(store, divide)
    assert played["before"] == "set"
    assert "after" not in played.names
    assert [ref.name for ref in played.outcome.artifacts] == ["before"]


def test_the_traceback_goes_to_the_tasks_stderr(
    store: LocalStore, capsys: pytest.CaptureFixture[str]
) -> None:
    play(store, divide)
    assert "ZeroDivisionError: division by zero" in capsys.readouterr().err


def test_causes_are_told_and_long_texts_are_bounded(store: LocalStore) -> None:
    error = play(store, chain).error
    assert "ZeroDivisionError" in error.traceback
    assert "direct cause" in error.traceback
    error = play(store, shout).error
    assert len(error.message) == 2000
    assert len(error.traceback) <= 20_000
    assert "characters left out" in error.traceback
    error = play(store, recurse).error
    assert error.type == "builtins.RecursionError"
    assert len(error.traceback) <= 20_000


def test_an_exception_that_cannot_be_shown_is_still_recorded(store: LocalStore) -> None:
    error = play(store, unspeakable).error
    assert error.type == "tests.unit.worker.test_failures.BadTextError"
    assert error.message == "(its text cannot be shown)"


def test_sys_exit_in_a_step_is_a_failure_that_says_so(store: LocalStore) -> None:
    assert play(store, leave).error.message == "The step called sys.exit(3)"


def test_catch_takes_the_failure_of_the_last_attempt_and_goes_on(
    store: LocalStore, capsys: pytest.CaptureFixture[str]
) -> None:
    played = play(store, divide, "guarded", catches=True)
    assert played.success.caught is not None
    assert played.success.caught.type == "builtins.ZeroDivisionError"
    assert played.manifest.is_ok is True
    assert played.manifest.error is None
    assert played.manifest.caught is not None
    assert played.manifest.next == ("quiet",)
    failure = played["failure"]
    assert isinstance(failure.exception, ZeroDivisionError)
    assert failure.type == "builtins.ZeroDivisionError"
    assert "1 / 0" in failure.stacktrace
    assert played["before"] == "set"
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_catch_does_not_take_a_failure_while_retries_are_left(store: LocalStore) -> None:
    played = play(store, divide, "guarded")
    assert played.error.type == "builtins.ZeroDivisionError"
    assert "failure" not in played.names


def test_catch_keeps_quiet_when_told_to(store: LocalStore, capsys: pytest.CaptureFixture[str]) -> None:
    played = play(store, divide, "quiet", catches=True)
    assert played["other"].type == "builtins.ZeroDivisionError"
    assert capsys.readouterr().err == ""


def test_without_a_failure_the_variable_of_catch_is_none(store: LocalStore) -> None:
    played = play(store, nothing, "guarded", catches=True)
    assert played.success.caught is None
    assert played["failure"] is None


class StopTask(SystemExit):
    """What a backend raises in a task's process to stop it."""


@pytest.mark.parametrize("order", [StopTask(143), KeyboardInterrupt()])
def test_catch_does_not_take_an_order_to_stop(store: LocalStore, order: BaseException) -> None:
    def stop(flow: Any) -> None:
        raise order

    played = play(store, stop, "guarded", catches=True)
    assert played.error.type.endswith(type(order).__name__)
    assert played.manifest.is_ok is False
    assert "failure" not in played.names


def test_catch_takes_sys_exit(store: LocalStore) -> None:
    assert play(store, leave, "guarded", catches=True).success.caught.type == "builtins.SystemExit"


def test_catch_takes_an_artifact_that_cannot_be_stored(store: LocalStore) -> None:
    import threading

    def set_lock(flow: Any) -> None:
        flow.lock = threading.Lock()

    played = play(store, set_lock, "guarded", catches=True)
    assert "self.lock" in played.success.caught.message
    assert "lock" not in played.names
    assert "UnpicklableArtifact" in played["failure"].type


def test_a_fallback_attempt_runs_no_code_and_records_the_failure(store: LocalStore) -> None:
    def never(flow: Any) -> None:
        raise AssertionError("user code ran")

    killed = ErrorInfo("killed", "killed by signal 9 (SIGKILL)")
    played = play(store, never, "guarded", catches=True, fallback=killed)
    assert played.success.caught == killed
    assert played.manifest.next == ("quiet",)
    failure = played["failure"]
    assert failure.exception is None
    assert failure.type == "killed"
    assert "SIGKILL" in failure.stacktrace


def test_a_timeout_raises_in_the_users_code(store: LocalStore) -> None:
    def sleep(flow: Any) -> None:
        time.sleep(20)

    began, handler = time.monotonic(), signal.getsignal(signal.SIGALRM)
    error = play(store, sleep, timeout_s=0.05).error
    assert time.monotonic() - began < 5
    assert error.type == "asyncflow.worker.timeout.TimeoutException"
    assert "@timeout of 0.05 s" in error.message
    assert "time.sleep(20)" in error.traceback
    assert signal.getsignal(signal.SIGALRM) is handler


def test_the_alarm_is_off_after_a_step_that_was_in_time(store: LocalStore) -> None:
    before = signal.setitimer(signal.ITIMER_REAL, 0)  # the test runner's own
    assert play(store, nothing, timeout_s=30).success
    assert play(store, divide, timeout_s=30).error.type == "builtins.ZeroDivisionError"
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    signal.setitimer(signal.ITIMER_REAL, *before)


def test_a_generator_that_feeds_a_foreach_is_under_the_timeout_too(store: LocalStore) -> None:
    from tests.unit.worker import test_transitions

    def slow() -> Any:
        yield 1
        time.sleep(20)

    test_transitions.VALUES["items"] = slow
    played = Player(test_transitions.Fan, store).play("start", timeout_s=0.05)
    assert played.error.type == "asyncflow.worker.timeout.TimeoutException"
    assert list(Path(store.root, "tmp").glob("*")) == []


def test_a_parent_that_left_no_manifest_is_a_store_failure(store: LocalStore) -> None:
    player = Player(Fragile, store)
    DO["it"] = nothing
    first = player.play("start")
    Path(store.root, "runs", "1", "0.manifests").unlink()
    played = player.play("guarded", first)
    assert played.error.type == "asyncflow.errors.StoreError"
    assert "missing" in played.error.message


def test_a_damaged_artifact_fails_the_step_that_reads_it_and_names_it(store: LocalStore) -> None:
    import os

    player = Player(Fragile, store)

    def set_big(flow: Any) -> None:
        flow.big = os.urandom(100_000)

    DO["it"] = set_big
    first = player.play("start")
    digest = first.manifest.artifacts["big"].digest
    os.truncate(Path(store.root, "blobs", digest[:2], digest[2:]), 50)
    DO["it"] = lambda flow: flow.big
    played = player.play("guarded", first)
    assert "`big`" in played.error.message
    assert "damaged" in played.error.message
    DO["it"] = nothing
    assert player.play("guarded", first).success


def test_an_attempt_that_cannot_leave_a_manifest_says_so_and_never_raises(store: LocalStore) -> None:
    player = Player(Fragile, store)
    DO["it"] = nothing
    first = player.play("start")
    pack = Path(store.root, "runs", "1", "0.manifests")

    def put_in_the_way(flow: Any) -> None:
        pack.unlink()
        pack.mkdir()

    DO["it"] = put_in_the_way
    played = player.play("guarded", first)
    assert isinstance(played.outcome, Failed)
    assert "could not be written" in played.error.message
    assert not store.has_manifest(*played.key)


def test_each_attempt_begins_from_the_parent_again(store: LocalStore) -> None:
    from dataclasses import replace

    from asyncflow.machine.ids import Attempt

    first_try = play(store, divide, "guarded")
    DO["it"] = nothing
    player = Player(Fragile, store)
    second_try = player.run(replace(first_try.spec, attempt=Attempt(first_try.key.task, 1)))
    assert second_try.success
    assert first_try.manifest.is_ok is False
    assert second_try.manifest.attempt == 1

"""What every backend must do. A backend joins by a class that derives from `BackendSuite` and has a `bench` fixture."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest

from asyncflow.backends.base import Backend
from asyncflow.errors import PlatformError
from asyncflow.machine.facts import Fact, WorkerLost, WorkerReported, WorkerStarted
from asyncflow.machine.ids import Attempt, ManifestKey
from asyncflow.machine.outcome import Failed, Succeeded
from asyncflow.worker.spec import TaskSpec

__all__ = ["FLOW_FILE", "BackendSuite", "Bench", "RecordingSink", "ends", "of"]

FLOW_FILE = Path(__file__).with_name("flows") / "behaviours.py"
"""The flow whose steps the suite launches; a fake imitates them by name."""
LONGEST_S = 30.0


class RecordingSink:
    """Keeps what it is told; is ready unless held."""

    def __init__(self) -> None:
        self.taken: list[tuple[Attempt, str, bytes]] = []
        self.ready = anyio.Event()
        self.ready.set()
        self.when_told: Callable[[], None] = lambda: None

    def lines(self, attempt: Attempt, stream: str, text: bytes) -> None:
        self.taken.append((attempt, stream, text))
        self.when_told()

    async def wait_ready(self) -> None:
        await self.ready.wait()

    def text(self, attempt: Attempt, stream: str = "stdout") -> bytes:
        return b"".join(text for who, which, text in self.taken if (who, which) == (attempt, stream))


@dataclass
class Bench:
    """A backend under test, and what has become known of its attempts."""

    backend: Backend
    sink: RecordingSink
    run: int
    parameters: ManifestKey
    facts: list[Fact] = field(default_factory=list)
    is_async: bool = False
    """Its steps are coroutines."""
    _stream: AsyncGenerator[Sequence[Fact], None] | None = None

    def spec(self, step: str, task: int = 1, number: int = 0) -> TaskSpec:
        return TaskSpec(
            run=self.run,
            attempt=Attempt(task, number),
            step=step,
            inputs=[self.parameters],
            is_async=self.is_async,
        )

    async def launch(self, step: str, task: int = 1, number: int = 0) -> Attempt:
        spec = self.spec(step, task, number)
        await self.backend.launch(spec)
        return spec.attempt

    async def until(self, is_enough: Callable[[list[Fact]], bool]) -> list[Fact]:
        """Take facts until there are enough, and return all there have been."""
        if self._stream is None:
            self._stream = self.backend.facts()
        with anyio.fail_after(LONGEST_S):
            while not is_enough(self.facts):
                self.facts += await anext(self._stream)
        return self.facts

    async def until_ended(self, *attempts: Attempt) -> list[Fact]:
        """Take facts until each of the attempts has ended; return theirs, in order."""
        await self.until(lambda facts: {fact.attempt for fact in ends(facts)} >= set(attempts))
        return of(self.facts, *attempts)

    async def until_started(self, attempt: Attempt) -> None:
        await self.until(lambda facts: any(isinstance(fact, WorkerStarted) for fact in of(facts, attempt)))

    async def until_printed(self, attempt: Attempt, text: bytes) -> None:
        """Wait until the attempt has printed a text on stdout."""
        printed = anyio.Event()

        def look() -> None:
            if text in self.sink.text(attempt):
                printed.set()

        self.sink.when_told = look
        look()
        with anyio.fail_after(LONGEST_S):
            await printed.wait()

    async def aclose(self) -> None:
        if self._stream is not None:
            await self._stream.aclose()
        await self.backend.aclose()


def ends(facts: Sequence[Fact]) -> list[WorkerReported | WorkerLost]:
    """Return the facts that end attempts."""
    return [fact for fact in facts if isinstance(fact, WorkerReported | WorkerLost)]


def of(facts: Sequence[Fact], *attempts: Attempt) -> list[Fact]:
    """Return the facts about some attempts."""
    return [fact for fact in facts if getattr(fact, "attempt", None) in attempts]


class BackendSuite:
    """The tests. `bench` is given by the class of each backend."""

    async def test_an_attempt_starts_and_then_reports_that_it_went_well(self, bench: Bench) -> None:
        attempt = await bench.launch("succeed")
        started, reported = await bench.until_ended(attempt)
        assert isinstance(started, WorkerStarted)
        assert isinstance(reported, WorkerReported)
        assert isinstance(reported.outcome, Succeeded)
        assert started.at <= reported.at

    async def test_a_failure_of_the_user_s_code_is_reported_with_its_exception(self, bench: Bench) -> None:
        attempt = await bench.launch("fail")
        reported = (await bench.until_ended(attempt))[-1]
        assert isinstance(reported, WorkerReported)
        assert isinstance(reported.outcome, Failed)
        assert reported.outcome.error.type.endswith("ValueError")
        assert "this step fails" in reported.outcome.error.message

    async def test_a_process_that_ends_without_a_word_is_lost_with_its_exit_code(self, bench: Bench) -> None:
        attempt = await bench.launch("exit_3")
        lost = (await bench.until_ended(attempt))[-1]
        assert isinstance(lost, WorkerLost)
        assert lost.exit_code == 3
        assert "exit code 3" in lost.reason
        assert not lost.is_our_fault

    async def test_a_killed_process_is_lost_and_the_signal_is_named(self, bench: Bench) -> None:
        attempt = await bench.launch("kill_itself")
        lost = (await bench.until_ended(attempt))[-1]
        assert isinstance(lost, WorkerLost)
        assert lost.exit_code == -9
        assert "SIGKILL" in lost.reason
        assert not lost.is_our_fault

    async def test_many_attempts_at_once_each_end_once(self, bench: Bench) -> None:
        attempts = [await bench.launch("succeed", task) for task in range(1, 101)]
        await bench.until_ended(*attempts)
        assert sorted(fact.attempt for fact in ends(bench.facts)) == attempts

    async def test_a_launch_repeated_while_in_flight_changes_nothing(
        self, bench: Bench, tmp_path: Path
    ) -> None:
        attempt = await bench.launch("count")
        await bench.launch("count")
        await bench.until_started(attempt)
        await bench.launch("count")
        await bench.until_ended(attempt)
        assert [type(fact) for fact in bench.facts] == [WorkerStarted, WorkerReported]

    async def test_attempts_of_one_task_are_told_apart(self, bench: Bench) -> None:
        first = await bench.launch("exit_3", 1, 0)
        second = await bench.launch("succeed", 1, 1)
        facts = await bench.until_ended(first, second)
        assert isinstance(of(facts, first)[-1], WorkerLost)
        assert isinstance(of(facts, second)[-1], WorkerReported)

    async def test_what_an_attempt_prints_is_shown_before_its_end_is_told(self, bench: Bench) -> None:
        attempt = await bench.launch("speak")
        await bench.until_ended(attempt)
        assert bench.sink.text(attempt, "stdout") == b"to stdout\n"
        assert bench.sink.text(attempt, "stderr") == b"to stderr\n"

    async def test_stop_ends_an_attempt(self, bench: Bench) -> None:
        attempt = await bench.launch("sleep")
        await bench.until_started(attempt)
        await bench.backend.stop(attempt, force=False)
        await bench.until_ended(attempt)

    async def test_force_ends_an_attempt_that_ignores_being_asked(self, bench: Bench) -> None:
        attempt = await bench.launch("ignore_signals")
        await bench.until_started(attempt)
        await bench.until_printed(attempt, b"ready\n")
        await bench.backend.stop(attempt, force=False)
        await bench.backend.stop(attempt, force=True)
        lost = (await bench.until_ended(attempt))[-1]
        assert isinstance(lost, WorkerLost)
        assert lost.exit_code == -9

    async def test_stopping_one_attempt_leaves_the_others_alone(self, bench: Bench) -> None:
        stopped, other = await bench.launch("sleep", 1), await bench.launch("count", 2)
        await bench.until_started(stopped)
        await bench.backend.stop(stopped, force=True)
        facts = await bench.until_ended(stopped, other)
        assert isinstance(of(facts, other)[-1], WorkerReported)

    async def test_stopping_an_unknown_or_ended_attempt_is_no_error(self, bench: Bench) -> None:
        await bench.backend.stop(Attempt(99, 0), force=True)
        attempt = await bench.launch("succeed")
        await bench.until_ended(attempt)
        await bench.backend.stop(attempt, force=False)
        later = await bench.launch("succeed", 2)
        await bench.until_ended(later)
        assert len(ends(bench.facts)) == 2

    async def test_an_attempt_that_is_stopped_at_once_still_ends(self, bench: Bench) -> None:
        attempt = await bench.launch("sleep")
        await bench.backend.stop(attempt, force=True)
        await bench.until_ended(attempt)

    async def test_adopt_finds_the_word_of_an_attempt_that_reported_to_a_dead_driver(
        self, bench: Bench
    ) -> None:
        attempt = await bench.launch("succeed")
        told = (await bench.until_ended(attempt))[-1]
        assert isinstance(told, WorkerReported)
        (adopted,) = await bench.backend.adopt([attempt])
        assert isinstance(adopted, WorkerReported)
        assert adopted.outcome == told.outcome

    async def test_adopt_says_of_an_unknown_attempt_that_it_is_lost_and_that_nobody_is_to_blame(
        self, bench: Bench
    ) -> None:
        (lost,) = await bench.backend.adopt([Attempt(7, 2)])
        assert isinstance(lost, WorkerLost)
        assert lost.attempt == Attempt(7, 2)
        assert lost.is_our_fault

    async def test_adopting_nothing_tells_nothing(self, bench: Bench) -> None:
        assert list(await bench.backend.adopt([])) == []

    async def test_facts_end_when_the_backend_is_closed(self, bench: Bench) -> None:
        stream = bench.backend.facts()
        attempt = await bench.launch("sleep")
        with anyio.fail_after(LONGEST_S):
            assert of(await anext(stream), attempt)
            await bench.backend.aclose()
            later = [fact async for batch in stream for fact in batch]
        assert not any(isinstance(fact, WorkerReported) for fact in later)

    async def test_closing_twice_is_closing_once_and_nothing_starts_afterwards(self, bench: Bench) -> None:
        await bench.launch("sleep")
        with anyio.fail_after(LONGEST_S):
            await bench.backend.aclose()
            await bench.backend.aclose()
        with pytest.raises(PlatformError):
            await bench.launch("succeed", 2)

    async def test_capabilities_are_data(self, bench: Bench) -> None:
        capabilities = bench.backend.capabilities
        assert capabilities.name
        for amount in (capabilities.cpu, capabilities.memory_mb):
            assert amount is None or amount > 0
        assert capabilities.gpu is None or capabilities.gpu >= 0

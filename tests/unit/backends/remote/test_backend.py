"""The backend over a platform whose jobs the test moves: order of events, lost and late ones, adoption."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from asyncflow.backends.remote import backend as backend_module
from asyncflow.backends.remote.agent import CLAIMED
from asyncflow.backends.remote.backend import RemoteBackend, opened_backend
from asyncflow.backends.remote.handover import RESULT_FILE_VARIABLE, fresh_seal, hand_over
from asyncflow.backends.remote.platform import (
    End,
    EndReason,
    Job,
    JobSeen,
    Phase,
    PlatformCapabilities,
    Refused,
)
from asyncflow.backends.remote.specs import Orders, read_orders
from asyncflow.errors import PlatformError, StoreError
from asyncflow.machine.facts import (
    AttemptAdopted,
    Fact,
    WorkerLost,
    WorkerPending,
    WorkerReported,
    WorkerStarted,
)
from asyncflow.machine.ids import Attempt
from asyncflow.machine.outcome import Succeeded
from asyncflow.store.directory import DirectoryObjects, InThreads
from asyncflow.store.left import Left, encode_left
from asyncflow.store.local import LocalStore
from asyncflow.store.manifest import Manifest
from asyncflow.store.manifests import encode_manifest
from asyncflow.store.s3.keys import result_key
from asyncflow.testing.clock import FakeClock
from tests.unit.backends.remote.given import ordering, task

ENDED = End(EndReason.SUCCEEDED, exit_code=0)


class Moon:
    """A platform whose jobs do what the test says."""

    def __init__(self) -> None:
        self.jobs: dict[Attempt, JobSeen] = {}
        self.submitted: list[list[Job]] = []
        self.stopped: list[tuple[Attempt, bool]] = []
        self.refused: list[Refused] = []
        self.problem: Exception | None = None
        self.while_finding: Callable[[], None] = lambda: None
        self.while_submitting: Callable[[], None] = lambda: None
        self.is_closed = False
        self._tell, self._told = anyio.create_memory_object_stream[Sequence[JobSeen]](100)

    @property
    def capabilities(self) -> PlatformCapabilities:
        return PlatformCapabilities(name="moon", most_at_once=10)

    def say(self, *jobs: JobSeen) -> None:
        """Tell of jobs."""
        for job in jobs:
            self.jobs[job.attempt] = job
        self._tell.send_nowait(jobs)

    async def submit(self, jobs: Sequence[Job]) -> Sequence[Refused]:
        if self.problem is not None:
            raise self.problem
        self.submitted.append(list(jobs))
        self.while_submitting()
        await anyio.sleep(0.01)
        return self.refused

    async def changes(self) -> AsyncGenerator[Sequence[JobSeen], None]:
        async for jobs in self._told:
            yield jobs

    async def find(self, attempts: Sequence[Attempt]) -> Sequence[JobSeen]:
        found = [self.jobs[attempt] for attempt in attempts if attempt in self.jobs]
        self.while_finding()
        await anyio.sleep(0.05)  # what it says of is old by the time it is heard
        return found

    async def stop(self, attempts: Sequence[Attempt], *, force: bool) -> None:
        self.stopped += [(attempt, force) for attempt in attempts]
        await anyio.lowlevel.checkpoint()

    def detach(self) -> None:
        pass

    async def aclose(self) -> None:
        self.is_closed = True
        await anyio.lowlevel.checkpoint()


class Silence:
    """A sink."""

    def lines(self, attempt: Attempt, stream: str, text: bytes) -> None:
        pass

    async def wait_ready(self) -> None:
        await anyio.lowlevel.checkpoint()


class Bench:
    """A backend, and all around it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.moon = Moon()
        self.clock = FakeClock()
        self.objects = DirectoryObjects(str(root / "shared"))
        self.store = LocalStore(str(root / "home"))
        self.recorded = anyio.Event()
        self.facts: list[Fact] = []
        self.failure: Exception | None = None
        for number in (0, 1):
            self.store.keep_manifest(
                7, number, 0, encode_manifest(Manifest("F", 7, "start", number, 0, True))
            )

    def close(self) -> None:
        """Close what the platform tells by."""
        self.moon._tell.close()
        self.moon._told.close()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[RemoteBackend]:
        async with (
            opened_backend(
                self.moon,
                ordering(),
                objects=InThreads(self.objects),
                store=self.store,
                sink=Silence(),
                recorded=self.recorded.wait,
                now=self.clock.now,
            ) as backend,
            anyio.create_task_group() as group,
        ):
            group.start_soon(self._listen, backend)
            yield backend
            await backend.aclose()

    async def _listen(self, backend: RemoteBackend) -> None:
        try:
            async with aclosing(backend.facts()) as stream:
                async for facts in stream:
                    self.facts += facts
        except (PlatformError, StoreError) as error:
            self.failure = error

    def leave(self, attempt: Attempt, *, is_ok: bool = True) -> None:
        """Leave a result, as a worker does."""
        manifest = encode_manifest(Manifest("F", 7, "work", *attempt, is_ok))
        self.objects.put_new(result_key(7, *attempt), encode_left(Left(manifest)))

    def orders(self) -> list[Orders]:
        """Return what the first worker of each spec object reads."""
        urls = dict.fromkeys(job.command[-1] for jobs in self.moon.submitted for job in jobs)
        return [read_orders(partial(self._read, url.partition("runs/")[2]), 0) for url in urls]

    def _read(self, key: str, offset: int, length: int) -> bytes:
        received = self.objects.get(f"runs/{key}", offset=offset, length=length)
        assert received is not None
        return received.data

    def bring(self, attempt: Attempt, seal: bytes) -> End:
        """Return the end of a job whose platform has taken the result from its worker."""
        file = self.root / f"message-{attempt.task}"
        file.touch()
        received = self.objects.get(result_key(7, *attempt))
        base = self.store.manifest_bytes(7, 1, 0)
        assert received is not None
        assert base is not None
        hand_over(received.data, seal, base, {RESULT_FILE_VARIABLE: str(file)})
        return ENDED._replace(result=file.read_text())

    def of(self, kind: type[Fact]) -> list[Attempt]:
        """Return whom facts of a kind are about."""
        return [fact.attempt for fact in self.facts if isinstance(fact, kind)]  # pyright: ignore[reportAttributeAccessIssue]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


async def until(condition: Callable[[], object]) -> None:
    with anyio.fail_after(10):
        while not condition():  # noqa: ASYNC110 - many things tell
            await anyio.sleep(0.005)


def seen(attempt: Attempt, phase: Phase = Phase.RUNNING, end: End | None = None, note: str = "") -> JobSeen:
    return JobSeen(
        attempt=attempt, phase=phase, where="" if phase is Phase.PENDING else "crater 1", end=end, note=note
    )


async def test_nothing_is_asked_for_before_it_is_recorded_where_others_find_it(bench: Bench) -> None:
    async with bench.opened() as backend:
        for number in range(2, 27):
            await backend.launch(task(number))
            await backend.launch(task(number))
        await anyio.sleep(0.1)
        early = list(bench.moon.submitted)
        bench.recorded.set()
        await until(lambda: len(bench.moon.submitted) == 3)

    assert early == []
    assert [len(jobs) for jobs in bench.moon.submitted] == [10, 10, 5]


async def test_a_job_is_pending_runs_and_ends_with_what_it_left(bench: Bench) -> None:
    one = Attempt(2, 0)
    bench.recorded.set()
    async with bench.opened() as backend:
        await backend.launch(task(2))
        await until(lambda: bench.moon.submitted)
        for _ in range(2):
            bench.moon.say(seen(one, Phase.PENDING, note="no crater"))
        bench.moon.say(seen(one))
        bench.moon.say(seen(one, Phase.PENDING, note="late"))
        bench.leave(one)
        bench.moon.say(seen(one, Phase.ENDED, ENDED))
        bench.moon.say(seen(one, Phase.ENDED, ENDED))
        await until(lambda: bench.of(WorkerReported))
        await anyio.sleep(0.05)

    assert [type(fact) for fact in bench.facts] == [WorkerPending, WorkerStarted, WorkerReported]
    assert bench.store.has_manifest(7, 2, 0)


@pytest.mark.parametrize("whose", ["ours", "an earlier driver's"])
async def test_a_result_that_the_platform_brings_is_not_asked_of_the_store(bench: Bench, whose: str) -> None:
    bench.recorded.set()
    asked: list[str] = []
    bench.objects.get = _noting(bench.objects.get, asked)  # pyright: ignore[reportAttributeAccessIssue]
    attempts = [Attempt(number, 0) for number in (2, 3, 4)]
    async with bench.opened() as backend:
        for attempt in attempts:
            await backend.launch(task(attempt.task))
        await until(lambda: bench.moon.submitted)
        (orders,) = bench.orders()
        seal = orders.luggage.seal if whose == "ours" else fresh_seal()
        for attempt in attempts:
            bench.leave(attempt)
        ended = [seen(attempt, Phase.ENDED, bench.bring(attempt, seal)) for attempt in attempts]
        asked.clear()
        bench.moon.say(*ended)
        await until(lambda: len(bench.of(WorkerReported)) == 3)

    assert sorted(bench.of(WorkerReported)) == attempts
    assert all(bench.store.has_manifest(7, *attempt) for attempt in attempts)
    results = [key for key in asked if "results" in key]
    assert len(results) == (0 if whose == "ours" else 3)


def _noting(get: Callable[..., Any], asked: list[str]) -> Callable[..., Any]:
    def noted(key: str, **more: Any) -> Any:
        asked.append(key)
        return get(key, **more)

    return noted


async def test_a_job_that_is_refused_is_lost_at_once_with_the_reason(bench: Bench) -> None:
    bench.recorded.set()
    bench.moon.refused = [Refused(Attempt(2, 0), EndReason.UNSCHEDULABLE, "too heavy")]
    async with bench.opened() as backend:
        await backend.launch(task(2))
        await until(lambda: bench.of(WorkerLost))

    fact = bench.facts[0]
    assert isinstance(fact, WorkerLost)
    assert "too heavy" in fact.reason
    assert not fact.is_retryable


async def test_what_is_stopped_before_it_was_asked_for_never_is(bench: Bench) -> None:
    async with bench.opened() as backend:
        await backend.launch(task(2))
        await backend.stop(Attempt(2, 0), force=False)
        await backend.launch(task(3))
        await anyio.sleep(0.1)  # it waits for what is recorded
        await backend.stop(Attempt(3, 0), force=False)
        bench.recorded.set()
        await until(lambda: len(bench.of(WorkerLost)) == 2)

    assert [job.attempt for jobs in bench.moon.submitted for job in jobs] == []
    assert bench.moon.stopped == []


async def test_what_is_stopped_while_it_is_asked_for_is_stopped_afterwards(bench: Bench) -> None:
    one = Attempt(2, 0)
    bench.recorded.set()
    async with bench.opened() as backend, anyio.create_task_group() as group:

        async def stop() -> None:
            await backend.stop(one, force=True)

        def stop_beside() -> None:
            group.start_soon(stop)

        bench.moon.while_submitting = stop_beside
        await backend.launch(task(2))
        await until(lambda: len(bench.moon.stopped) == 2)

    assert bench.moon.stopped[-1] == (one, True)


async def test_adopted_are_those_that_live_and_concluded_those_that_ended(bench: Bench) -> None:
    lives, ended, left, lost, unknown = (Attempt(number, 0) for number in range(2, 7))
    bench.moon.jobs = {
        lives: seen(lives),
        ended: seen(ended, Phase.ENDED, ENDED),
        lost: seen(lost, Phase.ENDED, End(EndReason.LOST, "gone")),
    }
    bench.leave(ended)
    bench.leave(left)
    async with bench.opened() as backend:
        facts = await backend.adopt([lives, ended, left, lost, unknown])

    told = {(type(fact), fact.attempt) for fact in facts if not isinstance(fact, WorkerStarted)}  # pyright: ignore[reportAttributeAccessIssue]
    assert told == {
        (AttemptAdopted, lives),
        (WorkerReported, ended),
        (WorkerReported, left),
        (WorkerLost, lost),
    }


async def test_a_job_that_ends_while_it_is_adopted_is_not_missed(bench: Bench) -> None:
    one = Attempt(2, 0)
    bench.moon.jobs = {one: seen(one)}
    bench.leave(one)
    bench.moon.while_finding = lambda: bench.moon.say(seen(one, Phase.ENDED, ENDED))
    async with bench.opened() as backend:
        facts = await backend.adopt([one])
        await until(lambda: bench.of(WorkerReported))

    assert isinstance(facts[0], AttemptAdopted)


async def test_a_second_worker_of_an_attempt_does_not_end_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend_module, "_TAIL_FIRST_S", 0.05)
    one = Attempt(2, 0)
    bench.recorded.set()
    async with bench.opened() as backend:
        await backend.launch(task(2))
        await until(lambda: bench.moon.submitted)
        bench.moon.say(seen(one, Phase.ENDED, End(EndReason.FAILED, exit_code=CLAIMED)))
        await until(lambda: bench.of(WorkerStarted))
        await anyio.sleep(0.1)
        early = bench.of(WorkerReported) + bench.of(WorkerLost)
        bench.leave(one)
        await until(lambda: bench.of(WorkerReported))

    assert early == []


async def test_a_worker_that_gives_no_sign_of_life_is_lost(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend_module, "_TAIL_FIRST_S", 0.02)
    one = Attempt(2, 0)
    bench.recorded.set()
    async with bench.opened() as backend:
        await backend.launch(task(2))
        await until(lambda: bench.moon.submitted)
        bench.moon.say(seen(one))
        await until(lambda: bench.of(WorkerStarted))
        bench.clock.advance(601)
        await until(lambda: bench.of(WorkerLost))

    fact = bench.facts[-1]
    assert isinstance(fact, WorkerLost)
    assert fact.is_our_fault
    assert bench.moon.stopped == [(one, True)]


async def test_a_platform_that_does_not_answer_is_told_once_and_nothing_is_launched_any_more(
    bench: Bench,
) -> None:
    bench.recorded.set()
    bench.moon.problem = PlatformError("the moon does not answer")
    async with bench.opened() as backend:
        await backend.launch(task(2))
        await until(lambda: bench.failure)
        with pytest.raises(PlatformError, match="the moon does not answer"):
            await backend.launch(task(3))

    assert str(bench.failure).startswith("the moon does not answer")
    assert bench.moon.is_closed


async def test_a_damaged_result_is_told(bench: Bench) -> None:
    one = Attempt(2, 0)
    bench.recorded.set()
    async with bench.opened() as backend:
        await backend.launch(task(2))
        await until(lambda: bench.moon.submitted)
        bench.objects.put(result_key(7, *one), b"nonsense")
        bench.moon.say(seen(one, Phase.ENDED, ENDED))
        await until(lambda: bench.failure)

    assert "damaged" in str(bench.failure)


async def test_succeeded_is_what_the_manifest_says(bench: Bench) -> None:
    one = Attempt(2, 0)
    bench.recorded.set()
    async with bench.opened() as backend:
        await backend.launch(task(2))
        await until(lambda: bench.moon.submitted)
        bench.leave(one)
        bench.moon.say(seen(one, Phase.ENDED, End(EndReason.LOST, "node gone")))
        await until(lambda: bench.of(WorkerReported))

    fact = bench.facts[-1]
    assert isinstance(fact, WorkerReported)
    assert isinstance(fact.outcome, Succeeded)

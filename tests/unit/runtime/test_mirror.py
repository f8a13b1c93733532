"""What a driver records is copied to a bucket, in pieces and in order, and taken over elsewhere."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from asyncflow.client.catching_up import Replica
from asyncflow.errors import RunIsElsewhere, StoreError
from asyncflow.events.head import Head, decode_head
from asyncflow.events.reader import Reader
from asyncflow.events.sqlite_log import SqliteLog
from asyncflow.machine.events import Event
from asyncflow.runtime import mirror as mirror_module
from asyncflow.runtime.groups import first_of_ours
from asyncflow.runtime.mirror import Mirror
from asyncflow.runtime.remote_lease import RemoteLease
from asyncflow.store.directory import DirectoryObjects
from asyncflow.store.layout import blob_path, cached_blob_path, log_path
from asyncflow.store.local import LocalStore
from asyncflow.store.manifest import Manifest
from asyncflow.store.pieces import Piece, decode_piece
from asyncflow.store.s3.keys import blob_key, head_key, lease_key, piece_key, request_key
from asyncflow.testing.clock import FakeClock
from tests.unit.events import stories
from tests.unit.runtime.remote_store import Dated

RUN = 1
BIG = os.urandom(100_000)


class Bench:
    """A machine, a bucket, and another machine."""

    def __init__(self, root: Path) -> None:
        self.clock = FakeClock()
        self.objects = Slow(str(root / "bucket"), self.clock)
        self.bucket = DirectoryObjects(str(root / "bucket"))
        self.home, self.other = str(root / "home"), str(root / "other")
        for home in (self.home, self.other):
            os.makedirs(f"{home}/tmp")
        self.store = LocalStore(self.home)
        self.seq = 0

    @asynccontextmanager
    async def mirrored(self, log: SqliteLog) -> AsyncIterator[Mirror]:
        """Have a mirror that copies."""
        lease = RemoteLease(self.objects, RUN, log.owner, self.clock)
        await lease.acquire()
        mirror = Mirror(
            self.objects,
            log,
            home=self.home,
            run=RUN,
            position=await log.position(RUN),
            recorded=self.seq,
            lease=lease,
            clock=self.clock,
        )
        async with anyio.create_task_group() as group:
            group.start_soon(mirror.keep)
            yield mirror
            await mirror.finish()
        await lease.release()

    async def record(self, log: SqliteLog, mirror: Mirror, *events: Event) -> None:
        """Record a turn, as a driver does."""
        await log.append(RUN, events, expected_seq=self.seq)
        mirror.note(self.seq, events)
        self.seq += len(events)

    def leave(self, task: int, value: object) -> str:
        """Leave what an attempt leaves; return the digest of its artifact."""
        record = self.store.dump(value, name="x")
        self.store.write_manifest(Manifest("F", RUN, "work", task, 0, True, {"x": record}))
        return record.digest

    def print_(self, task: int, text: bytes) -> None:
        path = log_path(self.home, RUN, task, 0)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "ab") as file:
            file.write(text)

    def pieces(self) -> list[Piece]:
        found: list[Piece] = []
        while (received := self.bucket.get(piece_key(RUN, len(found)))) is not None:
            found.append(decode_piece(received.data))
        return found

    def head(self) -> Head:
        received = self.bucket.get(head_key(RUN))
        assert received is not None
        return decode_head(received.data)

    def has_here(self, digest: str) -> bool:
        return os.path.exists(blob_path(self.home, digest))

    def has_cached(self, digest: str) -> bool:
        return os.path.exists(cached_blob_path(self.home, digest))

    def printed_elsewhere(self, task: int) -> bytes:
        return Path(log_path(self.other, RUN, task, 0)).read_bytes()

    def elsewhere(self) -> Reader:
        """Return a reader of another machine's replica that has caught up."""
        replica = Replica(self.other, self.bucket)  # pyright: ignore[reportArgumentType] - it has what is asked of one
        replica.catch_up_list()
        replica.catch_up_run(RUN)
        return Reader(f"{self.other}/asyncflow.db")


class Slow(Dated):
    """Objects of which some take their time."""

    def __init__(self, root: str, clock: FakeClock) -> None:
        super().__init__(root, clock)
        self.gate: anyio.Event | None = None

    async def put_file(self, key: str, path: str, *, only_new: bool = False) -> bool:
        if self.gate is not None:
            await self.gate.wait()
        return await super().put_file(key, path, only_new=only_new)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@asynccontextmanager
async def opened(bench: Bench) -> AsyncIterator[tuple[SqliteLog, Mirror]]:
    async with SqliteLog(f"{bench.home}/asyncflow.db") as log, bench.mirrored(log) as mirror:
        yield log, mirror


async def until(condition: object) -> None:
    assert callable(condition)
    with anyio.fail_after(10):
        while not condition():  # noqa: ASYNC110 - files tell nobody
            await anyio.sleep(0.01)


async def test_a_run_is_read_elsewhere_as_it_was_recorded(bench: Bench) -> None:
    async with opened(bench) as (log, mirror):
        await bench.record(log, mirror, stories.run_created(), stories.task_created(1))
        await bench.record(log, mirror, stories.launched(1))
        bench.print_(1, b"1.000000 o hello\n")
        digest = bench.leave(1, BIG)
        await bench.record(log, mirror, stories.succeeded(1))

    with bench.elsewhere() as there, Reader(f"{bench.home}/asyncflow.db") as here:
        assert [event for _, event in there.events(RUN)] == [event for _, event in here.events(RUN)]
        assert there.tasks(RUN) == here.tasks(RUN)
        assert there.tags(RUN) == here.tags(RUN)
    assert LocalStore(bench.other).manifest_bytes(RUN, 1, 0) == bench.store.manifest_bytes(RUN, 1, 0)
    assert bench.printed_elsewhere(1) == b"1.000000 o hello\n"
    assert bench.bucket.head(blob_key(digest)) is not None
    assert bench.head().is_over
    assert bench.head().lease is None


async def test_a_blob_that_is_in_the_bucket_may_be_removed_here(bench: Bench) -> None:
    async with opened(bench) as (log, mirror):
        digest = bench.leave(1, BIG)
        await bench.record(log, mirror, stories.run_created(), stories.task_created(1), stories.launched(1))
        await bench.record(log, mirror, stories.succeeded(1))

    assert (bench.has_here(digest), bench.has_cached(digest)) == (False, True)


async def test_a_blob_that_another_run_sends_at_the_same_time_is_no_problem(bench: Bench) -> None:
    bench.objects.gate = anyio.Event()
    async with opened(bench) as (log, mirror):
        digest = bench.leave(1, BIG)
        await bench.record(log, mirror, stories.run_created(), stories.task_created(1), stories.launched(1))
        await bench.record(log, mirror, stories.succeeded(1))
        await anyio.sleep(0.1)
        path, cached = blob_path(bench.home, digest), cached_blob_path(bench.home, digest)
        bench.bucket.put_file(blob_key(digest), path)
        os.makedirs(os.path.dirname(cached), exist_ok=True)
        os.rename(path, cached)
        bench.objects.gate.set()
        await mirror.settled()

    assert len(bench.pieces()) >= 1


async def test_a_blob_that_is_gone_ends_the_run_before_a_piece_names_it(bench: Bench) -> None:
    bench.objects.gate = anyio.Event()
    with pytest.raises(BaseExceptionGroup) as told:  # noqa: PT012 - what a run does until it is ended
        async with opened(bench) as (log, mirror):
            digest = bench.leave(1, BIG)
            await bench.record(
                log, mirror, stories.run_created(), stories.task_created(1), stories.launched(1)
            )
            await bench.record(log, mirror, stories.succeeded(1))
            await anyio.sleep(0.1)
            os.unlink(blob_path(bench.home, digest))
            bench.objects.gate.set()
            await mirror.settled()

    assert isinstance(first_of_ours(told.value), StoreError)
    assert bench.pieces() == []


async def test_what_is_printed_is_copied_while_nothing_is_recorded_and_nothing_else_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror_module, "_EVERY_S", 0.02)
    async with opened(bench) as (log, mirror):
        await bench.record(log, mirror, stories.run_created(), stories.task_created(1), stories.launched(1))
        for number in range(3):
            bench.print_(1, b"%d.000000 o line\n" % number)
            bench.clock.advance(1)
            await until(lambda number=number: sum(len(piece.logs) for piece in bench.pieces()) > number)

    batches = [batch.seq for piece in bench.pieces() for batch in piece.batches]
    assert batches == [0]
    parts = [part for piece in bench.pieces() for part in piece.logs]
    assert [part.offset for part in parts] == [0, 16, 32]


async def test_who_waits_for_what_is_recorded_waits_until_it_is_in_the_bucket(bench: Bench) -> None:
    async with opened(bench) as (log, mirror):
        await bench.record(log, mirror, stories.run_created(), stories.task_created(1))
        with anyio.fail_after(5):
            await mirror.settled()
        first = bench.pieces()
        await bench.record(log, mirror, stories.launched(1))
        await mirror.settled()
        second = bench.pieces()

    assert sum(batch.count for piece in first for batch in piece.batches) == 2
    assert sum(batch.count for piece in second for batch in piece.batches) == 3


async def test_signs_of_life_are_given_while_a_large_blob_is_sent(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror_module, "_HEAD_EVERY_S", 0.05)
    async with opened(bench) as (log, mirror):
        await bench.record(log, mirror, stories.run_created(), stories.task_created(1), stories.launched(1))
        await mirror.settled()
        bench.objects.gate = anyio.Event()
        bench.leave(1, BIG)
        await bench.record(log, mirror, stories.succeeded(1))
        for _ in range(3):
            bench.clock.advance(20)
            await until(lambda: _beat_at(bench) == bench.clock.now())
        bench.objects.gate.set()


def _beat_at(bench: Bench) -> float:
    received = bench.bucket.get(lease_key(RUN, 1))
    assert received is not None
    return float(json.loads(received.data)["heartbeat_at"])


async def test_who_is_driven_out_adds_nothing_and_stops(bench: Bench) -> None:
    with pytest.raises(BaseExceptionGroup) as told:  # noqa: PT012 - what a run does until it is ended
        async with opened(bench) as (log, mirror):
            await bench.record(log, mirror, stories.run_created(), stories.task_created(1))
            await mirror.settled()
            bench.bucket.put_new(piece_key(RUN, len(bench.pieces())), b"another driver's")
            await bench.record(log, mirror, stories.launched(1))
            await mirror.settled()

    assert isinstance(first_of_ours(told.value), RunIsElsewhere)


async def test_what_is_asked_elsewhere_is_heard_at_the_latest_at_the_end(bench: Bench) -> None:
    def ask(name: str, kind: str, args: object) -> None:
        said = {"kind": kind, "args": args, "by": "eve"}
        bench.bucket.put_new(request_key(RUN, 5, name), json.dumps(said).encode())

    async with opened(bench) as (log, mirror):
        await bench.record(log, mirror, stories.run_created(), stories.task_created(1))
        await mirror.settled()
        ask("a", "tags", {"add": ["mine"], "remove": ["nightly"]})
        ask("b", "tags", {"add": [f"tag {number}" for number in range(1000)]})
        ask("c", "cancel", {"force": True})
        bench.bucket.put_new(request_key(RUN, 5, "d"), b"nonsense")
        await bench.record(log, mirror, stories.launched(1))
    async with SqliteLog(f"{bench.home}/asyncflow.db") as log:
        requests = await log.take_requests(RUN)

    assert ("mine", False) in bench.head().tags
    assert ("nightly", False) not in bench.head().tags
    assert [(request.kind, request.by) for request in requests] == [("cancel", "eve")]
    assert list(bench.bucket.list("runs/1/requests/")) == []


async def test_a_later_driver_goes_on_behind_what_is_in_the_bucket(bench: Bench) -> None:
    async with opened(bench) as (log, mirror):
        await bench.record(log, mirror, stories.run_created(), stories.task_created(1), stories.launched(1))
    pieces = len(bench.pieces())

    async with opened(bench) as (log, mirror):
        bench.print_(1, b"1.000000 o hello\n")
        await bench.record(log, mirror, stories.succeeded(1))

    added = bench.pieces()[pieces:]
    assert [batch.seq for piece in added for batch in piece.batches] == [3]
    assert [part.data for piece in added for part in piece.logs] == [b"1.000000 o hello\n"]

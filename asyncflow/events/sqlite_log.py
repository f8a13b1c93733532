"""The event log of a store, for drivers: SQLite behind one owner task, many commits folded into one.

A task group holds one owner task. It alone drives the connection; it is closed by a message and never cancelled, as a
statement cancelled half way would leave a lock behind that shuts every other process out. Callers hand over a piece
of work and wait; everything that has arrived when the owner comes round goes into one transaction, in one hop to
the connection's thread. A caller that is cancelled stops waiting; its work is done all the same.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Generic, TypeVar

import aiosqlite
import anyio
import anyio.to_thread
from anyio.abc import TaskGroup, TaskStatus

from asyncflow.errors import AsyncflowError, StoreError
from asyncflow.events import lease, requests
from asyncflow.events.codec import Recorded
from asyncflow.events.database import open_writer, patiently, statement, store_error, transaction
from asyncflow.events.ledger import Ledger, load_run
from asyncflow.events.position import Position, Snapshot, position_of, put_position, raw_batches
from asyncflow.events.rows import TagRow
from asyncflow.events.tagging import edit_in
from asyncflow.machine.events import Event
from asyncflow.records import field, record

__all__ = ["SqliteLog"]

_T = TypeVar("_T")


class SqliteLog:
    """An `EventLog` in a store's database, with run ids, leases and requests. Enter it with `async with`.

    One instance serves all runs that a process drives in one event loop; other processes may do the same with the
    same database at the same time.

    Args:
        path: The database; made if it is missing, in a directory that is there.
        owner: Who this process is. None: found out.
        now: The time, seconds since the epoch; only leases and requests are stamped with it.
    """

    def __init__(
        self, path: str, *, owner: lease.Owner | None = None, now: Callable[[], float] = time.time
    ) -> None:
        self.path = path
        self.owner = owner or lease.Owner.of_this_process()
        self._now = now
        self._jobs: list[_Job[Any]] = []  # Any: each job has its own result
        self._arrival = anyio.Event()
        self._is_closing = False
        self._closed = anyio.Event()
        self._group: TaskGroup | None = None
        self._seen_version: dict[int, int] = {}

    async def __aenter__(self) -> SqliteLog:
        """Open the database.

        Raises:
            StoreError: It cannot be opened or written.
        """
        group = anyio.create_task_group()
        await group.__aenter__()
        try:
            with anyio.CancelScope(shield=True):  # a connection opened for nobody would stay open
                await group.start(self._own)
        except BaseException:
            await group.__aexit__(None, None, None)
            raise
        self._group = group
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish what was handed over, close the database. Not cut short by cancellation."""
        group, self._group = self._group, None
        self._is_closing = True
        self._arrival.set()
        if group is None:
            return
        try:
            with anyio.CancelScope(shield=True):
                await self._closed.wait()
        finally:
            await group.__aexit__(None, None, None)

    async def append(self, run: int, events: Sequence[Event], *, expected_seq: int) -> int:
        """Record a batch of events. See `EventLog.append`."""
        return await self._write(lambda ledger: ledger.append(run, events, expected_seq))

    async def read(self, run: int, *, after: int = 0) -> Sequence[Recorded]:
        """Return a run's events from number `after` on. See `EventLog.read`."""
        return await self._read(lambda ledger: ledger.read(run, after))

    async def read_page(self, run: int, *, after: int, most: int = 1000) -> Sequence[Recorded]:
        """Return about `most` of a run's events, from number `after` on; none are left when there is none."""
        return await self._read(lambda ledger: ledger.read_page(run, after, most))

    async def create_run_id(self) -> int:
        """Return a run id that no run of this store has or had. Cancellation: an id may be lost."""
        return await self._write(lambda ledger: ledger.new_run_id())

    async def take_run_id(self, run: int) -> None:
        """Note that a run id is taken, so that `create_run_id` goes on behind it. Raises StoreError."""
        await self._write(lambda ledger: ledger.db.execute(statement("raise_run_id"), (run,)))

    async def position(self, run: int) -> Position:
        """Return how far a run's log here and its pieces in the bucket are the same."""
        return await self._read(lambda ledger: position_of(ledger.db, run))

    async def put_position(self, run: int, position: Position) -> None:
        """Note how far a run's log here and its pieces in the bucket are the same. Raises StoreError."""
        await self._write(lambda ledger: put_position(ledger.db, run, position))

    async def snapshot(self, run: int, after: int, *, most: int = 1000) -> Snapshot:
        """Return at most so many of a run's batches from event number `after` on, and what a list shows of it."""
        return await self._read(
            lambda ledger: Snapshot(raw_batches(ledger.db, run, after, most), load_run(ledger.db, run))
        )

    async def tags(self, run: int) -> Sequence[TagRow]:
        """Return a run's tags, the user's first."""
        rows = await self._read(lambda ledger: ledger.db.execute(statement("tags"), (run,)).fetchall())
        return [TagRow(*row) for row in rows]

    async def edit_tags(self, run: int, *, add: Sequence[str], remove: Sequence[str], by: str) -> None:
        """Put tags on a run, and take others off. Raises TaggingError, StoreError; then nothing was changed."""
        await self._write(lambda ledger: edit_in(ledger.db, run, add, remove, by))

    async def acquire_lease(self, run: int) -> None:
        """Become the run's driver, or stay it.

        Raises:
            RunIsElsewhere: Another process, which lives, drives it.
            StoreError: The store cannot be written.

        Cancellation: the lease may have been taken; release it, or end.
        """
        await self._write(lambda ledger: lease.acquire(ledger.db, run, self.owner, self._now()))

    async def heartbeat(self, run: int) -> None:
        """Give a sign of life.

        Raises:
            RunIsElsewhere: The lease was taken by another process meanwhile.
            StoreError: The store cannot be written.
        """
        await self._write(lambda ledger: lease.heartbeat(ledger.db, run, self.owner, self._now()))

    async def release_lease(self, run: int) -> None:
        """Stop being the run's driver. Raises StoreError if the store cannot be written."""
        await self._write(lambda ledger: lease.release(ledger.db, run, self.owner))

    async def post_request(
        self,
        run: int,
        kind: str,
        args: Mapping[str, Any] | None = None,  # Any: JSON-like
        *,
        by: str,
    ) -> int:
        """Ask something of a run's driver; return the request's id. Raises StoreError if it was not recorded."""
        self._seen_version.pop(run, None)
        text = json.dumps(args or {})
        return await self._write(
            lambda ledger: requests.insert_request(ledger.db, run, kind, text, by, self._now())
        )

    async def take_requests(self, run: int) -> Sequence[requests.Request]:
        """Return what was asked of the run's driver since the last call. Meant to be called twice a second.

        Costs one hop to the connection's thread and no query while no other process has written to the store.
        """
        if not await self._read(lambda ledger: self._has_requests(ledger, run)):
            return ()
        return await self._write(lambda ledger: requests.take_requests(ledger.db, run, self._now()))

    def _has_requests(self, ledger: Ledger, run: int) -> bool:
        version: int = ledger.db.execute("PRAGMA data_version").fetchone()[0]
        if self._seen_version.get(run) == version:
            return False
        found = bool(requests.open_requests(ledger.db, run))
        if not found:
            self._seen_version[run] = version
        return found

    async def _write(self, work: Callable[[Ledger], _T]) -> _T:
        return await self._hand_over(_Job(work=work, is_write=True))

    async def _read(self, work: Callable[[Ledger], _T]) -> _T:
        return await self._hand_over(_Job(work=work, is_write=False))

    async def _hand_over(self, job: _Job[_T]) -> _T:
        """Queue a job and wait for its result. The queue is as long as there are callers waiting."""
        if self._is_closing or self._group is None:
            raise StoreError(
                f"The event log {self.path} is closed; nothing was recorded", hint="asyncflow doctor"
            )
        self._jobs.append(job)
        self._arrival.set()
        return await job.result

    async def _own(self, *, task_status: TaskStatus[None]) -> None:
        """Own the connection until told to close; whatever happens, everyone who waits is answered."""
        with anyio.CancelScope(shield=True):
            db = await _Connection.open(self.path)
            ledger = Ledger(db.raw, self.path)
            task_status.started()
            try:
                while self._jobs or not self._is_closing:
                    await self._arrival.wait()
                    self._arrival = anyio.Event()
                    jobs, self._jobs = self._jobs, []
                    await _settle(db, ledger, jobs)
            finally:
                self._is_closing = True
                await db.close()
                await db.join()
                self._closed.set()


@record(frozen=False)
class _Job(Generic[_T]):
    work: Callable[[Ledger], _T]
    is_write: bool
    result: asyncio.Future[_T] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    """Cancelled when the one who waits is."""

    def answer(self, value: _T | BaseException) -> None:
        if self.result.done():
            return
        if isinstance(value, BaseException):
            self.result.set_exception(value)
        else:
            self.result.set_result(value)


class _Connection(aiosqlite.Connection):
    """aiosqlite's thread and queue, used for whole functions in place of single statements."""

    @classmethod
    async def open(cls, path: str) -> _Connection:
        """Open the database in the connection's own thread."""
        db = cls(lambda: open_writer(path), iter_chunk_size=64)
        try:
            return await db  # pyright: ignore[reportReturnType]  # it returns itself
        except BaseException:
            # aiosqlite does not wait for its thread here, which would then report to a loop that is closed.
            await db.join()
            raise

    async def join(self) -> None:
        """Wait until the connection's thread has ended, which is a moment after it was closed."""
        await anyio.to_thread.run_sync(self._thread.join)

    @property
    def raw(self) -> sqlite3.Connection:
        """The connection itself, for functions that run in its thread."""
        return self._conn

    async def call(self, function: Callable[[], _T]) -> _T:
        """Run a function in the connection's thread: one hop there and back."""
        return await self._execute(function)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


async def _settle(db: _Connection, ledger: Ledger, jobs: Sequence[_Job[Any]]) -> None:
    """Do all jobs and answer them. A bug is told to all who wait, and ends the owner: nothing is recorded after it."""
    if not jobs:
        return
    try:
        answers = await db.call(lambda: _perform(ledger, jobs))
    except BaseException as error:
        for job in jobs:
            job.answer(error)
        raise
    for job, answer in zip(jobs, answers, strict=True):
        job.answer(answer)


def _perform(ledger: Ledger, jobs: Sequence[_Job[Any]]) -> list[Any]:  # Any: each job has its own result
    """Do all jobs, those that write in one transaction; return a result or an error each."""
    answers: dict[int, Any] = {}
    writes = [place for place, job in enumerate(jobs) if job.is_write]
    if writes:
        answers.update(_perform_writes(ledger, {place: jobs[place] for place in writes}))
    for place, job in enumerate(jobs):
        if not job.is_write:
            answers[place] = _outcome(ledger, job)
    return [answers[place] for place in range(len(jobs))]


def _perform_writes(ledger: Ledger, jobs: Mapping[int, _Job[Any]]) -> dict[int, Any]:
    """Do the jobs in one transaction.

    An `AsyncflowError` is that job's alone, as it is raised before anything is changed. Any other error undoes the
    transaction and is everybody's. What is not an error of SQLite either is a bug and passes through.
    """
    try:
        with transaction(ledger.db):
            answers = {place: _own_outcome(ledger, job) for place, job in jobs.items()}
    except sqlite3.Error as error:
        ledger.forget()
        return {place: _explained(error, ledger) for place in jobs}
    with suppress(sqlite3.Error):  # what is recorded is recorded; if the disk is ill, the next commit says so
        ledger.trim()
    return answers


def _own_outcome(ledger: Ledger, job: _Job[Any]) -> Any:  # Any: each job has its own result
    try:
        return job.work(ledger)
    except AsyncflowError as error:
        return error


def _outcome(ledger: Ledger, job: _Job[Any]) -> Any:  # Any: each job has its own result
    try:
        return patiently(lambda: _own_outcome(ledger, job))
    except sqlite3.Error as error:
        return _explained(error, ledger)


def _explained(error: sqlite3.Error, ledger: Ledger) -> StoreError:
    told = store_error(error, ledger.path, "The event log failed; nothing of this step was recorded")
    told.__cause__ = error
    return told

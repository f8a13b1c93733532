"""What a process that drives runs has of a store in a bucket: objects, run ids, and a hold on each run it drives."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager

import anyio

from asyncflow.errors import StoreError
from asyncflow.events.position import Position
from asyncflow.events.sqlite_log import SqliteLog
from asyncflow.runtime.clock import Clock
from asyncflow.runtime.mirror import Mirror
from asyncflow.runtime.remote_lease import RemoteLease
from asyncflow.store.objects import Objects
from asyncflow.store.pieces import Piece, encode_piece
from asyncflow.store.replica import keep_owner, new_owner, remote_url, see_nobody_owns
from asyncflow.store.s3.keys import HEADS, OWNER, id_key, piece_key, run_of_head

__all__ = ["RemoteHome", "opened_remote"]

_RELEASE_S = 5.0
_MOST_IDS = 10_000
"""So many taken run ids in a row are no accident."""


class RemoteHome:
    """A store in a bucket, for drivers.

    Args:
        objects: The store's objects, opened.
        log: The replica's log.
        home: The replica.
        clock: The time.
    """

    def __init__(self, objects: Objects, log: SqliteLog, home: str, clock: Clock) -> None:
        self.objects = objects
        self._log = log
        self._home = home
        self._clock = clock

    async def new_run_id(self) -> int:
        """Return a run id that no run of the store has or had, on any machine. Raises StoreError."""
        run = await self._last_run() + 1
        for _ in range(_MOST_IDS):
            if await self.objects.put_new(id_key(run), b"{}"):
                await self._log.take_run_id(run)
                return run
            run += 1
        raise StoreError(
            f"No free run id was found in {self.objects.url}, up to {run}",
            hint=f"What is below {self.objects.url}/{HEADS} may have been removed; use another prefix.",
        )

    @asynccontextmanager
    async def held(self, run: int) -> AsyncGenerator[Mirror]:
        """Be the run's only driver, and have what copies it to the bucket.

        Raises:
            RunIsElsewhere: It has another driver, or has gone on without this machine having heard of it.
            StoreError: The bucket cannot be read or written.
        """
        lease = RemoteLease(self.objects, run, self._log.owner, self._clock)
        await lease.acquire()
        try:
            position = await self._log.position(run)
            if not lease.is_first:
                position = await self._shut_out_others(run, position)
            here = await self._log.snapshot(run, position.next_seq, most=1)
            yield Mirror(
                self.objects,
                self._log,
                home=self._home,
                run=run,
                position=position,
                recorded=0 if here.row is None else here.row.next_seq,
                lease=lease,
                clock=self._clock,
            )
        finally:
            with anyio.move_on_after(_RELEASE_S, shield=True):
                await _released(lease)

    async def _shut_out_others(self, run: int, position: Position) -> Position:
        """Write an empty piece, so that a driver that was thought dead and is not can add none; return what follows.

        Raises StoreError: somebody has added one that is not known here.
        """
        if not await self.objects.put_new(piece_key(run, position.next_piece), encode_piece(Piece())):
            raise StoreError(
                f"Run {run} has gone on elsewhere since it was last read here",
                hint=f"Try again: asyncflow resume {run}",
            )
        position = position._replace(next_piece=position.next_piece + 1)
        await self._log.put_position(run, position)
        return position

    async def _last_run(self) -> int:
        """Return the newest run there is, as far as can be told from one look."""
        async with aclosing(self.objects.list(HEADS, page=1)) as found:
            async for info in found:
                return run_of_head(info.key) or 0
        return 0


async def _released(lease: RemoteLease) -> None:
    try:
        await lease.release()
    except StoreError:
        return  # it counts as dead when it has been silent for long enough


@asynccontextmanager
async def opened_remote(home: str, log: SqliteLog, clock: Clock) -> AsyncGenerator[RemoteHome | None]:
    """Open the bucket that a home stands for; None: the home is the store itself.

    Raises:
        StoreError: The bucket cannot be reached or read.
    """
    url = remote_url(home)
    if url is None:
        yield None
        return
    from asyncflow.store.s3.address import parse_url  # aiobotocore: for those who have a bucket
    from asyncflow.store.s3.aio import S3Objects

    async with S3Objects(parse_url(url)) as objects:
        await _see_owner(objects, home)
        yield RemoteHome(objects, log, home, clock)


async def _see_owner(objects: Objects, home: str) -> None:
    """See that the replica is of the store in the bucket; a store that is new is given its owner. Raises StoreError."""
    received = await objects.get(OWNER)
    if received is None:
        see_nobody_owns(home)
        await objects.put_new(OWNER, new_owner().encode())
        received = await objects.get(OWNER)
    if received is not None:
        keep_owner(home, received.data.decode("ascii", "replace"))

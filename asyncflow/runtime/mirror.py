"""Copies what a run's driver records to a bucket, in pieces and in order: blobs first, then the piece that names them.

A reader of the log like any other: it cannot change what is recorded, and a run on this machine does not wait for it.
What is started elsewhere does (`settled`): nothing may run that a driver on another machine would not know of.
A piece is written once, under the next number. If that is taken, somebody else drives the run, and this process stops.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

import anyio
import anyio.to_thread

from asyncflow.errors import RunIsElsewhere, StoreError
from asyncflow.events.head import Head, encode_head
from asyncflow.events.position import Position, Snapshot
from asyncflow.events.sqlite_log import SqliteLog
from asyncflow.events.tagging import TaggingError
from asyncflow.machine.events import Event
from asyncflow.runtime.card_mirror import CardMirror
from asyncflow.runtime.clock import Clock
from asyncflow.runtime.gathering import Gathered, Gathering
from asyncflow.runtime.remote_lease import RemoteLease
from asyncflow.store.failures import missing
from asyncflow.store.layout import blob_path, cached_blob_path
from asyncflow.store.objects import Objects
from asyncflow.store.pieces import encode_piece
from asyncflow.store.s3.keys import blob_key, head_key, piece_key, requests_prefix

__all__ = ["Mirror"]

_EVERY_S = 2.0
"""How long what is recorded may wait for more, before it is copied."""
_GATHER_S = 0.02
"""The same, when somebody waits for it."""
_HEAD_EVERY_S = 5.0
"""A head that has changed is written again after so long; one that has not, too: it is the sign of life."""
_BLOBS_AT_ONCE = 8
_FINISH_S = 3600.0
"""The last artifact may be large; each request has a bound of its own, and this is for what nobody has thought of."""

_log = logging.getLogger(__name__)


class Mirror:
    """One run's way into the bucket.

    Args:
        objects: The store's.
        log: Where the run is recorded.
        home: The replica, for manifests, blobs and logs.
        run: The run.
        position: How much of it is there already.
        recorded: Number of the first event that is not recorded yet.
        lease: This process's, renewed here.
        clock: The time.
    """

    def __init__(
        self,
        objects: Objects,
        log: SqliteLog,
        *,
        home: str,
        run: int,
        position: Position,
        recorded: int,
        lease: RemoteLease,
        clock: Clock,
    ) -> None:
        self.objects = objects
        self._log = log
        self._home = home
        self._run = run
        self._position = position
        self._lease = lease
        self._clock = clock
        self._cards = CardMirror(objects, home, run)
        self._gathering = Gathering(home, run, is_new=position.next_seq == 0)
        self._recorded = max(recorded, position.next_seq)
        """Number of the first event that is not recorded yet, as far as we were told."""
        self._wanted = 0
        """Up to this event somebody waits."""
        self._news = anyio.Event()
        self._progress = anyio.Event()
        self._is_finishing = False
        self._is_copied = anyio.Event()
        """All that will be recorded is in the bucket."""
        self._finished = anyio.Event()
        self._pushed_at = 0.0
        self._head_at = 0.0

    def note(self, first_seq: int, events: Sequence[Event]) -> None:
        """Hear of events that were recorded. Never waits."""
        self._recorded = first_seq + len(events)
        self._news.set()

    async def settled(self) -> None:
        """Wait until all that is recorded now is in the bucket. Safe to cancel."""
        target = self._recorded
        while self._position.next_seq < target:
            self._wanted = max(self._wanted, target)
            self._news.set()
            await self._progress.wait()

    async def keep(self) -> None:
        """Copy, renew the lease and write the head, until `finish` is called; then copy what is left.

        Raises:
            RunIsElsewhere: Another process drives the run.
            StoreError: The bucket cannot be written.
        """
        async with anyio.create_task_group() as beside:
            beside.start_soon(self._keep_beating)
            while not self._is_finishing:
                await self._wait()
                await self._push_all()
            await self._push_all()
            self._is_copied.set()
            self._progress.set()
        await self._take_requests()
        await self._write_head(is_over=True)
        self._finished.set()

    async def _keep_beating(self) -> None:
        """Give signs of life beside the copying, which takes long when blobs are large, until all is copied.

        The first one is given when there is a first piece.
        """
        while self._position.next_piece == 0 and not self._is_copied.is_set():
            await self._progress.wait()
        while not self._is_copied.is_set():
            with anyio.move_on_after(max(0.0, self._head_at + _HEAD_EVERY_S - self._clock.now())):
                await self._is_copied.wait()
                return
            await self._beat()

    async def _beat(self) -> None:
        await self._lease.renew()
        await self._take_requests()
        await self._write_head(is_over=False)

    async def finish(self) -> None:
        """The run is over: wait until `keep` has copied what is left. A write under way is never cut short.

        Raises:
            StoreError: The bucket takes too long.
        """
        self._is_finishing = True
        self._news.set()
        with anyio.move_on_after(_FINISH_S) as scope:
            await self._finished.wait()
        if scope.cancelled_caught:
            raise StoreError(
                f"The end of run {self._run} could not be copied to {self.objects.url} within {_FINISH_S:.0f} s. "
                "It is recorded on this machine.",
                hint=f"When the bucket answers again: asyncflow resume {self._run}",
            )

    async def _wait(self) -> None:
        """Wait until there is something to copy and it has waited long enough for more."""
        with anyio.move_on_after(_EVERY_S):
            await self._news.wait()
        self._news = anyio.Event()
        if self._is_finishing:
            return
        if self._wanted > self._position.next_seq:
            await anyio.sleep(_GATHER_S)
            return
        rest_s = self._pushed_at + _EVERY_S - self._clock.now()
        if rest_s > 0:
            with anyio.move_on_after(rest_s):
                while self._wanted <= self._position.next_seq and not self._is_finishing:
                    await self._news.wait()
                    self._news = anyio.Event()

    async def _push_all(self) -> None:
        while await self._push():
            pass
        await self._cards.copy(self._gathering.in_flight())

    async def _push(self) -> bool:
        """Copy the next piece; False: there was nothing more to copy."""
        snapshot = await self._log.snapshot(self._run, self._position.next_seq)
        gathered = await anyio.to_thread.run_sync(self._gathering.gather, snapshot.batches)
        if gathered.is_empty:
            return False
        self._pushed_at = self._clock.now()
        await self._send_blobs(gathered)
        await self._send_piece(gathered)
        progress, self._progress = self._progress, anyio.Event()
        progress.set()
        return True

    async def _send_piece(self, gathered: Gathered) -> None:
        number = self._position.next_piece
        data = await anyio.to_thread.run_sync(encode_piece, gathered.piece)
        if not await self.objects.put_new(piece_key(self._run, number), data):
            raise RunIsElsewhere(
                f"Run {self._run} in {self.objects.url} is driven by another process by now. This one stops; "
                "what it recorded since is on this machine only, and void.",
                hint="See who drives it: asyncflow runs",
            )
        next_seq = gathered.next_seq or self._position.next_seq  # a piece may be of logs only
        self._position = self._position._replace(next_piece=number + 1, next_seq=next_seq)
        self._gathering.sent(gathered)
        await self._log.put_position(self._run, self._position)

    async def _send_blobs(self, gathered: Gathered) -> None:
        limiter = anyio.CapacityLimiter(_BLOBS_AT_ONCE)

        async def send(digest: str) -> None:
            async with limiter:
                path = blob_path(self._home, digest)
                try:
                    await self.objects.put_file(blob_key(digest), path, only_new=True)
                except FileNotFoundError:  # another run of this machine has sent it a moment ago
                    if await self.objects.head(blob_key(digest)) is None:
                        raise missing(path, f"Blob {digest}, which is not in {self.objects.url},") from None
                await anyio.to_thread.run_sync(_keep_as_cached, path, cached_blob_path(self._home, digest))

        async with anyio.create_task_group() as group:
            for digest in gathered.blobs:
                group.start_soon(send, digest)

    async def _take_requests(self) -> None:
        """Hear what people on other machines ask of the run, and remove that."""
        async with aclosing(self.objects.list(requests_prefix(self._run))) as found:
            keys = [info.key async for info in found]
        for key in keys:
            received = await self.objects.get(key)
            if received is not None:
                await self._take_request(received.data)
        if keys:
            await self.objects.delete(keys)

    async def _take_request(self, data: bytes) -> None:
        try:
            said: dict[str, Any] = json.loads(data)  # Any: JSON
            kind, args, by = str(said["kind"]), dict(said["args"]), str(said["by"])
        except (ValueError, KeyError, TypeError):
            return  # of a newer release, or none of ours
        if kind != "tags":
            await self._log.post_request(self._run, kind, args, by=by)
            return
        try:
            await self._log.edit_tags(
                self._run, add=args.get("add", ()), remove=args.get("remove", ()), by=by
            )
        except TaggingError as error:
            _log.warning("tags that %s asked for on another machine were not changed: %s", by, error)

    async def _write_head(self, *, is_over: bool) -> None:
        snapshot: Snapshot = await self._log.snapshot(self._run, self._position.next_seq, most=1)
        self._head_at = self._clock.now()
        if snapshot.row is None:
            return
        head = Head(
            row=snapshot.row,
            lease=None if is_over else self._lease.lease,
            tags=tuple((row.tag, bool(row.is_system)) for row in await self._log.tags(self._run)),
            next_piece=self._position.next_piece,
            is_over=is_over,
        )
        await self.objects.put(head_key(self._run), encode_head(head), content_type="application/json")
        if is_over:
            self._position = self._position._replace(is_over=True)
            await self._log.put_position(self._run, self._position)


def _keep_as_cached(path: str, cached_path: str) -> None:
    """Count a blob that is in the bucket among those that may be removed here."""
    try:
        os.makedirs(os.path.dirname(cached_path), mode=0o700, exist_ok=True)
        os.rename(path, cached_path)
    except OSError:
        return  # it stays where it is; that costs space, and nothing else

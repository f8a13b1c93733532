"""Copies what was recorded elsewhere from a bucket into its replica here, so that it is read like any other store.

Blocks; for commands, the client and a thread of the dashboard. What a process of this machine drives is left alone, and
what has ended and is here wholly costs no request. Several processes may do it at once.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager

from asyncflow.errors import StoreError
from asyncflow.events.database import open_writer, store_error, transaction
from asyncflow.events.head import Head, decode_head
from asyncflow.events.incoming import Diverged, drop_diverged, is_driven_here, take_batches, take_head
from asyncflow.events.ledger import Ledger
from asyncflow.events.position import (
    Position,
    RawBatch,
    origins_of,
    position_of,
    positions,
    put_position,
)
from asyncflow.store.failures import write_failure
from asyncflow.store.fetching import objects_of
from asyncflow.store.layout import DATABASE, log_path, run_directory
from asyncflow.store.live_files import LiveFiles
from asyncflow.store.local import LocalStore
from asyncflow.store.objects import ObjectInfo
from asyncflow.store.pieces import LogPart, Piece, decode_piece
from asyncflow.store.replica import keep_owner, see_nobody_owns
from asyncflow.store.s3.blocking import BlockingObjects
from asyncflow.store.s3.keys import HEADS, OWNER, cards_prefix, head_key, piece_key, run_of_head

__all__ = ["MOST_HEADS", "Replica", "replica_at"]

MOST_HEADS = 1000
"""So many of the newest runs are shown in lists without being asked for."""
_PIECES_AT_ONCE = 16


def replica_at(home: str) -> Replica | None:
    """Return what catches up a home; None if it is no replica. Raises StoreError or UserError: it cannot be opened."""
    objects = objects_of(home)
    if objects is None:
        return None
    received = objects.get(OWNER)
    if received is None:
        see_nobody_owns(home)
    else:
        keep_owner(home, received.data.decode("ascii", "replace"))
    return Replica(home, objects)


class Replica:
    """A replica, and the bucket it stands for. For one thread.

    Args:
        home: The replica's directory.
        objects: The bucket's.
    """

    def __init__(self, home: str, objects: BlockingObjects) -> None:
        self.home = home
        self.objects = objects
        self._path = os.path.join(home, DATABASE)
        self._store = LocalStore(home)
        self._cards: dict[int, LiveFiles] = {}

    def catch_up_list(self, most: int = MOST_HEADS) -> None:
        """Learn of the newest runs: what a list shows of them, of those that were looked into here all of it.

        Raises StoreError.
        """
        infos: list[ObjectInfo] = []
        for info in self.objects.list(HEADS, page=min(most, 1000)):
            infos.append(info)
            if len(infos) >= most:
                break
        with closing(open_writer(self._path)) as db:
            known = positions(db)
            changed = [
                info for info in infos if known.get(run_of_head(info.key) or 0, Position()).head != info.etag
            ]
            for run, head in self._take_heads(db, changed).items():
                position = position_of(db, run)
                is_behind = head.next_piece > position.next_piece or head.is_over > position.is_over
                if position.next_piece and is_behind and not is_driven_here(db, run, time.time()):
                    self._take_pieces(db, run, head.next_piece, is_over=head.is_over)

    def catch_up_run(self, run: int) -> bool:
        """Learn all that is known of a run; False: the bucket knows of none. Raises StoreError."""
        with closing(open_writer(self._path)) as db:
            position = position_of(db, run)
            if position.is_over or is_driven_here(db, run, time.time()):
                return True
            head = self._take_heads(db, [ObjectInfo(head_key(run), 0, "", 0.0)]).get(run)
            if head is None:
                return position.next_piece > 0
            self._take_pieces(db, run, max(head.next_piece, position.next_piece), is_over=head.is_over)
        self._take_cards(run)
        return True

    def catch_up_origins(self, run: int) -> None:
        """Learn of the runs, too, whose tasks a run has taken over. Raises StoreError."""
        seen: dict[int, None] = {}
        todo = [run]
        while todo:
            run = todo.pop()
            if run in seen:
                continue
            seen[run] = None
            self.catch_up_run(run)
            with closing(open_writer(self._path)) as db:
                todo += origins_of(db, run)

    def _take_cards(self, run: int) -> None:
        """Bring here what cards of attempts that run show now."""
        files = self._cards.setdefault(run, LiveFiles(self.home, run))
        changed = files.changed(self.objects.list(cards_prefix(run)))
        received = self.objects.together(lambda info: self.objects.get(info.key), changed)
        for info, found in zip(changed, received, strict=True):
            if found is not None:
                files.take(info.key, info.etag, found.data)

    # Heads

    def _take_heads(self, db: sqlite3.Connection, infos: Sequence[ObjectInfo]) -> dict[int, Head]:
        received = self.objects.together(lambda info: self.objects.get(info.key), infos)
        taken: dict[int, Head] = {}
        with self._writing(db):
            for info, found in zip(infos, received, strict=True):
                if found is None:
                    continue
                try:
                    head = decode_head(found.data)
                except ValueError as error:
                    raise StoreError(f"{self.objects.url}/{info.key} is damaged: {error}") from error
                taken[head.row.run] = head
                take_head(db, head, found.info.etag, age_s=found.info.age_s, at=time.time())
        return taken

    # Pieces

    def _take_pieces(self, db: sqlite3.Connection, run: int, known: int, *, is_over: bool) -> None:
        """Take the pieces that there are, `known` of which were told of; those written since are looked for, too."""
        at = position_of(db, run).next_piece
        while True:
            numbers = range(at, max(at + 1, min(known, at + _PIECES_AT_ONCE)))
            received = self.objects.together(lambda n: self.objects.get(piece_key(run, n)), numbers)
            for number, found in zip(numbers, received, strict=True):
                if found is None:
                    self._note_end(db, run, is_over=is_over and number >= known)
                    return
                self._take(db, run, number, self._decoded(found.data, piece_key(run, number)))
            at = numbers.stop
            if is_over and at >= known:
                self._note_end(db, run, is_over=True)
                return

    def _decoded(self, data: bytes, key: str) -> Piece:
        try:
            return decode_piece(data)
        except ValueError as error:
            raise StoreError(f"{self.objects.url}/{key} is damaged: {error}") from error

    def _note_end(self, db: sqlite3.Connection, run: int, *, is_over: bool) -> None:
        if is_over:
            with self._writing(db):
                put_position(db, run, position_of(db, run)._replace(is_over=True))

    def _take(self, db: sqlite3.Connection, run: int, number: int, piece: Piece) -> None:
        """Take over one piece: files first, as rows tell of them."""
        self._take_files(run, piece)
        batches = [RawBatch(*batch) for batch in piece.batches]
        try:
            with self._writing(db):
                position = position_of(db, run)
                if position.next_piece != number:
                    return  # another process was quicker
                next_seq = batches[-1].seq + batches[-1].count if batches else position.next_seq
                take_batches(Ledger(db, self._path), run, batches, Position(number + 1, next_seq))
        except Diverged:
            self._start_anew(db, run)

    def _start_anew(self, db: sqlite3.Connection, run: int) -> None:
        """Forget what this machine had recorded alone, and take the run over from its first piece."""
        shutil.rmtree(run_directory(self.home, run), ignore_errors=True)
        with self._writing(db):
            drop_diverged(db, run)
        self._store = LocalStore(self.home)
        self.catch_up_run(run)

    def _take_files(self, run: int, piece: Piece) -> None:
        self._store.keep_manifests(run, piece.manifests)
        for part in piece.logs:
            _add_to_log(log_path(self.home, run, part.task, part.attempt), part)

    @contextmanager
    def _writing(self, db: sqlite3.Connection) -> Generator[None]:
        try:
            with transaction(db):
                yield
        except sqlite3.Error as error:
            raise store_error(
                error, self._path, "What was recorded elsewhere could not be taken over"
            ) from error


def _add_to_log(path: str, part: LogPart) -> None:
    """Write a part of a log, as far as it is not there."""
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            there = os.fstat(fd).st_size
            if there < part.offset + len(part.data):
                begin = max(there, part.offset)
                os.pwrite(fd, part.data[begin - part.offset :], begin)
        finally:
            os.close(fd)
    except OSError as error:
        raise write_failure(error, path, f"The log of task {part.task}") from error

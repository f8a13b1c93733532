"""What an async worker tells: in order, in one write a turn, and never more in memory than is allowed."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest

from asyncflow.backends.local.async_outbox import AsyncOutbox
from asyncflow.backends.local.wire import Frames, Told

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    yield ours, theirs
    ours.close()
    theirs.close()


def _read(theirs: socket.socket) -> list[tuple[int, int, bytes]]:
    theirs.setblocking(False)
    frames, found = Frames(), []
    while True:
        try:
            found += list(frames.feed(theirs.recv(1 << 16)))
        except BlockingIOError:
            return found


async def test_what_was_printed_goes_before_the_report(pair: Pair) -> None:
    outbox = AsyncOutbox(pair[0])
    outbox.open(asyncio.get_running_loop())
    outbox.tell(Told.STARTED, 1)
    outbox.write(1, 1, b"one ")
    outbox.write(2, 2, b"of another\n")
    outbox.write(1, 1, b"line\n")
    outbox.tell(Told.REPORT, 1, b"done")
    await asyncio.sleep(0)
    assert _read(pair[1]) == [
        (Told.STARTED, 1, b""),
        (Told.STDOUT, 1, b"one line\n"),
        (Told.REPORT, 1, b"done"),
        (Told.STDERR, 2, b"of another\n"),
    ]


async def test_nothing_is_written_before_the_end_of_the_turn(pair: Pair) -> None:
    outbox = AsyncOutbox(pair[0])
    outbox.open(asyncio.get_running_loop())
    outbox.tell(Told.STARTED, 1)
    assert _read(pair[1]) == []
    await asyncio.sleep(0)
    assert _read(pair[1]) == [(Told.STARTED, 1, b"")]


async def test_much_is_sent_before_the_end_of_the_turn(pair: Pair) -> None:
    outbox = AsyncOutbox(pair[0])
    outbox.open(asyncio.get_running_loop())
    outbox.tell(Told.REPORT, 1, bytes(20_000))
    assert len(_read(pair[1])) == 1


async def test_who_prints_waits_for_a_reader_that_is_slow_and_nothing_is_lost(pair: Pair) -> None:
    outbox = AsyncOutbox(pair[0])
    outbox.open(asyncio.get_running_loop())
    got = bytearray()
    total = 8 << 20

    def read_all() -> None:
        frames = Frames()
        while len(got) < total:
            for _, _, body in frames.feed(pair[1].recv(1 << 16)):
                got.extend(body)

    reader = threading.Thread(target=read_all)
    reader.start()
    for _ in range(total >> 12):
        outbox.write(1, 1, b"x" * (1 << 12))
        assert len(outbox._out) + outbox._printed_bytes <= 2 << 20
    while reader.is_alive():
        outbox.flush()
        await asyncio.sleep(0.001)
    reader.join()
    assert got == b"x" * total


async def test_a_thread_may_write_while_the_loop_does(pair: Pair) -> None:
    outbox = AsyncOutbox(pair[0])
    outbox.open(asyncio.get_running_loop())
    await asyncio.to_thread(outbox.write, 5, 1, b"from a thread\n")
    await asyncio.sleep(0)
    assert _read(pair[1]) == [(Told.STDOUT, 5, b"from a thread\n")]

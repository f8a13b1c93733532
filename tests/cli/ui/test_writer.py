"""One thread writes: whoever reads slowly, or not at all, holds up nobody but it."""

from __future__ import annotations

import io
import os
import threading
import time

import anyio

from asyncflow.cli import writer as writer_module
from asyncflow.cli.writer import HIGH_BYTES, MOST_BYTES, Writer, file_sink


class Gate:
    """A sink that writes only while it is open."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.written: list[bytes] = []

    def __call__(self, data: bytes) -> None:
        self.open.wait()
        self.written.append(data)


def test_what_is_put_is_written_in_order() -> None:
    written: list[bytes] = []
    writer = Writer(written.append)
    for number in range(1000):
        writer.put(b"%d\n" % number)
    writer.close()
    assert b"".join(written) == b"".join(b"%d\n" % number for number in range(1000))
    assert writer.pending_bytes == 0


def test_a_writer_without_work_ends_at_once_and_starts_no_thread() -> None:
    before = threading.active_count()
    writer = Writer(lambda data: None)
    assert threading.active_count() == before
    writer.close()


def test_closing_does_not_wait_for_the_next_breath() -> None:
    writer = Writer(lambda data: None)
    writer.put(b"x\n")
    began = time.monotonic()
    writer.close()
    assert time.monotonic() - began < 0.5


def test_putting_never_waits_and_what_is_too_much_is_counted() -> None:
    gate = Gate()
    writer = Writer(gate)
    line = b"x" * 1023 + b"\n"
    began = time.monotonic()
    for _ in range(MOST_BYTES // 1024 + 500):
        writer.put(line)
    assert time.monotonic() - began < 2.0
    assert writer.pending_bytes <= MOST_BYTES + 1024
    gate.open.set()
    while writer.pending_bytes:
        time.sleep(0.001)
    writer.put(b"last\n")
    writer.close()
    assert b"".join(gate.written).endswith(b"lines are not shown here: the screen is too slow ...\nlast\n")


async def test_lines_are_held_back_while_the_screen_is_behind() -> None:
    gate = Gate()
    writer = Writer(gate)
    await writer.wait_ready()
    writer.put(b"x" * (HIGH_BYTES + 1))
    with anyio.move_on_after(0.05) as waiting:
        await writer.wait_ready()
    assert waiting.cancelled_caught, "it waits"
    gate.open.set()
    with anyio.fail_after(5):
        await writer.wait_ready()
    writer.close()


def test_a_closed_pipe_is_no_error() -> None:
    reads, writes = os.pipe()
    stream = open(writes, "w")  # noqa: SIM115 - closed below
    writer = Writer(file_sink(stream))
    os.close(reads)
    writer.put(b"into the void\n")
    while not writer.is_broken:
        time.sleep(0.001)
    writer.put(b"more\n")
    writer.close()
    assert writer.pending_bytes == 0
    stream.close()


async def test_nobody_waits_for_a_reader_that_left() -> None:
    def broken(data: bytes) -> None:
        raise BrokenPipeError

    writer = Writer(broken)
    writer.put(b"x" * (HIGH_BYTES + 1))
    with anyio.fail_after(5):
        await writer.wait_ready()
    writer.close()


def test_a_non_blocking_pipe_gets_everything() -> None:
    reads, writes = os.pipe()
    os.set_blocking(writes, False)
    data = b"0123456789\n" * 100_000
    got = bytearray()

    def read() -> None:
        while chunk := os.read(reads, 1 << 16):
            got.extend(chunk)

    reader = threading.Thread(target=read)
    reader.start()
    with open(writes, "w") as stream:
        writer = Writer(file_sink(stream))
        writer.put(data)
        writer.close()
    reader.join()
    os.close(reads)
    assert bytes(got) == data


def test_a_stream_in_memory_works_too() -> None:
    stream = io.TextIOWrapper(io.BytesIO())
    writer = Writer(file_sink(stream))
    writer.put(b"kept\n")
    writer.close()
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    assert buffer.getvalue() == b"kept\n"


def test_the_limits_leave_room_for_each_other() -> None:
    assert writer_module.HIGH_BYTES < writer_module.MOST_BYTES

"""The pump, with real pipes and files, and without any process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from asyncflow.backends.local.pump import PIECE_BYTES, Pipe, Pump
from asyncflow.errors import StoreError
from asyncflow.machine.ids import Attempt
from asyncflow.store.layout import log_path
from asyncflow.store.logfile import LogLine, read_log
from tests.contract.backend_suite import RecordingSink

ATTEMPT = Attempt(1, 0)


class Rig:
    """A pump with one attempt whose pipes the test writes to."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.sink = RecordingSink()
        self.trouble: list[StoreError | None] = []
        self.pump = Pump(str(root), 1, self.sink, self.trouble.append)
        (out, self.stdout), (err, self.stderr) = os.pipe(), os.pipe()
        os.set_blocking(out, False)
        os.set_blocking(err, False)
        self.pipes: tuple[Pipe, Pipe] = self.pump.pipes(ATTEMPT, out, err)
        self.pump.watch(self.pipes)

    def log(self) -> list[LogLine]:
        return list(read_log(log_path(str(self.root), 1, *ATTEMPT)))

    def close(self) -> None:
        self.pump.finish(self.pipes)
        self.pump.close()
        for fd in (self.stdout, self.stderr):
            try:
                os.close(fd)
            except OSError:
                continue


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def test_lines_reach_the_log_and_the_sink_as_they_come(rig: Rig) -> None:
    os.write(rig.stdout, b"one\ntwo\n")
    rig.pump.turn()
    assert [line.text for line in rig.log()] == [b"one", b"two"]
    assert rig.sink.taken == [(ATTEMPT, "stdout", b"one\ntwo\n")]


def test_a_line_that_is_not_finished_waits_for_its_end(rig: Rig) -> None:
    os.write(rig.stdout, b"begin")
    rig.pump.turn()
    assert rig.log() == []
    os.write(rig.stdout, b"ning\nnext")
    rig.pump.turn()
    assert [(line.text, line.is_whole) for line in rig.log()] == [(b"beginning", True)]
    rig.pump.finish(rig.pipes)
    assert [(line.text, line.is_whole) for line in rig.log()] == [(b"beginning", True), (b"next", False)]


def test_streams_do_not_mix_their_unfinished_lines(rig: Rig) -> None:
    os.write(rig.stdout, b"out")
    os.write(rig.stderr, b"err")
    rig.pump.turn()
    os.write(rig.stdout, b"!\n")
    os.write(rig.stderr, b"?\n")
    rig.pump.turn()
    assert {(line.stream, line.text) for line in rig.log()} == {("stdout", b"out!"), ("stderr", b"err?")}


def test_an_endless_line_is_written_in_pieces(rig: Rig) -> None:
    written = 0
    while written < 3 * PIECE_BYTES:
        written += os.write(rig.stdout, b"z" * 10_000)
        rig.pump.turn()
    pieces = rig.log()
    assert len(pieces) == 2
    assert not any(piece.is_whole for piece in pieces)
    rig.pump.finish(rig.pipes)
    assert b"".join(piece.text for piece in rig.log()) == b"z" * written


def test_finishing_reads_what_is_left_although_somebody_still_holds_the_pipe(rig: Rig) -> None:
    os.write(rig.stdout, b"last words\n")
    rig.pump.finish(rig.pipes)
    assert [line.text for line in rig.log()] == [b"last words"]
    assert [pipe.fd for pipe in rig.pipes] == [-1, -1]


def test_finishing_twice_is_finishing_once(rig: Rig) -> None:
    rig.pump.finish(rig.pipes)
    rig.pump.finish(rig.pipes)


def test_a_closed_pipe_is_no_longer_looked_at(rig: Rig) -> None:
    os.close(rig.stdout)
    rig.pump.turn()
    assert [pipe.fd == -1 for pipe in rig.pipes] == [True, False]


def test_after_so_much_the_pump_pauses_until_it_is_resumed(rig: Rig) -> None:
    given = 0
    while not rig.pump.is_paused:
        given += os.write(rig.stdout, b"x" * 4095 + b"\n")
        rig.pump.turn()
        assert given < 1 << 20
    assert rig.trouble == [None]
    shown = sum(len(text) for *_, text in rig.sink.taken)
    rig.pump.turn()
    assert sum(len(text) for *_, text in rig.sink.taken) == shown
    rig.pump.resume()
    rig.pump.turn()
    assert sum(len(text) for *_, text in rig.sink.taken) == given


def test_a_paused_pipe_can_be_finished(rig: Rig) -> None:
    while not rig.pump.is_paused:
        os.write(rig.stdout, b"x" * 4095 + b"\n")
        rig.pump.turn()
    rig.pump.finish(rig.pipes)
    rig.pump.resume()
    rig.pump.turn()
    assert not rig.pump.is_paused


def test_a_log_that_cannot_be_written_is_told_once_and_output_is_still_taken(rig: Rig) -> None:
    os.makedirs(log_path(str(rig.root), 1, *ATTEMPT))
    for _ in range(2):
        os.write(rig.stdout, b"line\n")
        rig.pump.turn()
    (error,) = rig.trouble
    assert isinstance(error, StoreError)
    assert "The log of attempt 0 of task 1 could not be written" in error.message
    assert rig.sink.text(ATTEMPT) == b"line\nline\n"

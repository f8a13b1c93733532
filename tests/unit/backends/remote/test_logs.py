"""What attempts in containers print becomes their log, in order and once, however its pieces come."""

from __future__ import annotations

from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from asyncflow.backends.remote import logs as logs_module
from asyncflow.backends.remote.logs import RemoteLogs
from asyncflow.machine.ids import Attempt
from asyncflow.store.directory import DirectoryObjects, InThreads
from asyncflow.store.left import Left
from asyncflow.store.logfile import STDERR, STDOUT, stamp, stamp_piece
from asyncflow.store.s3.keys import LogKey, log_key

ONE, TWO = Attempt(1, 0), Attempt(2, 0)
NOW_MS = 1_700_000_000_000


class Screen:
    """Remembers what it was shown."""

    def __init__(self) -> None:
        self.shown: list[tuple[Attempt, str, bytes]] = []

    def lines(self, attempt: Attempt, stream: str, text: bytes) -> None:
        assert text.endswith(b"\n")
        self.shown.append((attempt, stream, text))

    async def wait_ready(self) -> None:
        await anyio.lowlevel.checkpoint()

    def text(self, attempt: Attempt = ONE) -> str:
        return b"".join(text for of, _, text in self.shown if of == attempt).decode()


class Bench:
    """A worker's side, and the scheduler's."""

    def __init__(self, root: Path) -> None:
        self.home = str(root / "home")
        self.objects = DirectoryObjects(str(root / "shared"))
        self.screen = Screen()
        self.logs = self.driver()

    def driver(self) -> RemoteLogs:
        """Return what a new driver reads logs with."""
        logs = RemoteLogs(InThreads(self.objects), self.home, 7, self.screen)
        self.logs = logs
        return logs

    def send(self, piece: int, text: bytes, *, attempt: Attempt = ONE, at_ms: int = NOW_MS) -> None:
        self.objects.put(log_key(7, LogKey(at_ms, *attempt, piece)), text)

    def file(self, attempt: Attempt = ONE) -> bytes:
        path = Path(self.home) / "runs" / "7" / "0" / f"{attempt.task}.{attempt.number}.log"
        return path.read_bytes() if path.exists() else b""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def line(text: str, stream: str = STDOUT) -> bytes:
    return stamp(f"{text}\n".encode(), 5.0, stream)


async def test_pieces_are_shown_as_they_come_and_the_rest_with_the_result(bench: Bench) -> None:
    bench.logs.open(ONE, NOW_MS / 1000)
    bench.send(0, line("first"))
    heard = await bench.logs.catch_up()
    shown = bench.screen.text()
    bench.send(1, line("second", STDERR), at_ms=NOW_MS + 10)

    await bench.logs.finish(ONE, Left(b"", line("third"), (NOW_MS, NOW_MS + 10)))

    assert heard == [ONE]
    assert shown == "first\n"
    assert bench.screen.text() == "first\nsecond\nthird\n"
    assert [stream for _, stream, _ in bench.screen.shown] == [STDOUT, STDERR, STDOUT]
    assert bench.file() == line("first") + line("second", STDERR) + line("third")


async def test_a_piece_that_comes_late_is_waited_for(bench: Bench) -> None:
    bench.logs.open(ONE, NOW_MS / 1000)
    bench.send(1, line("second"), at_ms=NOW_MS + 10)
    await bench.logs.catch_up()
    before = bench.screen.text()
    bench.send(0, line("first"), at_ms=NOW_MS - 5_000)
    await bench.logs.catch_up()

    assert before == ""
    assert bench.screen.text() == "first\nsecond\n"


async def test_a_piece_that_never_comes_does_not_keep_back_the_others(bench: Bench) -> None:
    bench.logs.open(ONE, NOW_MS / 1000)
    bench.send(1, line("second"))

    await bench.logs.finish(ONE, None)

    assert bench.screen.text() == "second\n"


async def test_nothing_is_told_twice_though_the_result_comes_while_pieces_are_read(bench: Bench) -> None:
    bench.logs.open(ONE, NOW_MS / 1000)
    for piece in range(20):
        bench.send(piece, line(str(piece)), at_ms=NOW_MS + piece)

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(bench.logs.catch_up)
        group.start_soon(bench.logs.finish, ONE, Left(b"", b"", tuple(NOW_MS + piece for piece in range(20))))
        group.start_soon(bench.logs.finish, ONE, None)

    assert bench.screen.text() == "".join(f"{piece}\n" for piece in range(20))
    assert bench.file().count(b"\n") == 20


async def test_a_worker_that_was_killed_loses_nothing_that_it_had_sent(bench: Bench) -> None:
    bench.logs.open(ONE, NOW_MS / 1000)
    for piece in range(20):
        bench.send(piece, line(str(piece)), at_ms=NOW_MS + piece)

    async with anyio.create_task_group() as group:
        group.start_soon(bench.logs.catch_up)
        group.start_soon(bench.logs.finish, ONE, None)

    assert bench.screen.text() == "".join(f"{piece}\n" for piece in range(20))


async def test_a_later_driver_goes_on_where_the_file_ends(bench: Bench) -> None:
    bench.logs.open(ONE, NOW_MS / 1000)
    bench.send(0, line("first"))
    bench.send(1, line("second"), at_ms=NOW_MS + 3_600_000)
    await bench.logs.catch_up()
    await bench.logs.catch_up()
    bench.screen.shown.clear()

    logs = bench.driver()
    logs.open(TWO, NOW_MS / 1000 + 7_200)
    logs.open(ONE, 0.0)
    bench.send(2, line("third"), at_ms=NOW_MS + 7_200_000)
    await logs.catch_up()

    assert bench.screen.text() == "third\n"
    assert bench.file() == line("first") + line("second") + line("third")


async def test_a_log_that_is_opened_late_is_read_from_its_beginning(bench: Bench) -> None:
    bench.logs.open(TWO, NOW_MS / 1000)
    bench.send(0, line("first"))
    bench.send(0, line("other"), attempt=TWO, at_ms=NOW_MS + 60_000)
    assert await bench.logs.catch_up() == [TWO]

    bench.logs.open(ONE, 0.0)

    assert await bench.logs.catch_up() == [ONE]
    assert (bench.screen.text(ONE), bench.screen.text(TWO)) == ("first\n", "other\n")


async def test_a_piece_may_end_within_a_line_and_within_a_character(bench: Bench) -> None:
    bench.logs.open(ONE, NOW_MS / 1000)
    whole = line("größer") + line("50%\r60%\rdone")
    cut = whole.index(b"\xc3") + 1
    bench.send(0, whole[:cut])
    bench.send(1, whole[cut:], at_ms=NOW_MS + 1)

    await bench.logs.catch_up()
    await bench.logs.finish(ONE, Left(b"", stamp_piece(b"no newline", 6.0, STDOUT), (NOW_MS, NOW_MS + 1)))

    assert bench.screen.text() == "größer\n50%\r60%\rdone\nno newline\n"
    assert bench.file().startswith(whole)


async def test_what_was_read_is_forgotten_in_time(bench: Bench) -> None:
    bench.logs.open(ONE, NOW_MS / 1000)
    step_ms = logs_module._SLACK_MS
    for piece in range(10):
        bench.send(piece, line(str(piece)), at_ms=NOW_MS + piece * step_ms)
        await bench.logs.catch_up()

    assert len(bench.logs._seen) <= 4
    assert bench.screen.text() == "".join(f"{piece}\n" for piece in range(10))

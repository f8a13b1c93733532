"""Whoever reads a run's output slowly, badly or not at all does not harm the run; and no task commands a terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import time

import pytest

from tests.cli.place import ASYNCFLOW, Place

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def status(place: Place) -> str:
    return str(json.loads(place.run("runs", "--json").stdout)[0]["status"])


def test_every_line_of_a_task_is_shown_with_its_place(place: Place) -> None:
    ended = place.run("run", place.flow("chatty"), "--lines", "50000")
    assert ended.code == 0
    lines = [line for line in ended.stdout.splitlines() if " of many, " in line]
    assert len(lines) == 50_000
    assert all(line.startswith("TIME [1/start/1 (pid PID)] line ") for line in lines)
    numbers = [int(line.split(" line ")[1].split()[0]) for line in lines]
    assert numbers == list(range(50_000))


def test_a_reader_that_leaves_does_not_stop_the_run(place: Place) -> None:
    process = place.start("run", place.flow("chatty"))
    assert process.stdout is not None
    assert process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr as stderr:
        assert stderr.read() == b""
    assert process.wait(60) == 0
    assert status(place) == "succeeded"
    assert place.run("logs", "latest/start", "--stdout").stdout.count("\n") == 200_000


def test_a_reader_that_is_slow_gets_everything(place: Place) -> None:
    process = place.start("run", place.flow("chatty"), "--lines", "100000")
    assert process.stdout is not None
    time.sleep(1)
    got = b""
    while chunk := os.read(process.stdout.fileno(), 1 << 16):
        got += chunk
        time.sleep(0.001)
    assert process.wait(10) == 0
    assert got.count(b" of many, ") == 100_000
    assert got.endswith(b" Done!\n")
    process.communicate()


def test_no_task_commands_a_terminal(place: Place) -> None:
    flow = place.flow("chatty")
    place.extra["TERM"] = "xterm"
    code, shown = _on_a_terminal(place, "run", flow, "--lines", "3", "--ui", "plain")
    assert code == 0
    assert b"\x1b[1mTask is starting.\x1b[0m" in shown, "our own words are bold"
    assert b"\\x1b[2J\\x1b]0;owned\\x07the end" in shown
    assert re.sub(rb"\x1b\[(1|0)m", b"", shown).count(b"\x1b") == 0
    assert b"\x07" not in shown
    code, shown = _on_a_terminal(place, "logs", "1/end")
    assert code == 0
    assert b"\\x1b[2J\\x1b]0;owned\\x07the end" in shown
    piped = place.start("logs", "1/end").communicate()[0]
    assert piped == b"\x1b[2J\x1b]0;owned\x07the end\n", "a pipe gets what was printed"


def _on_a_terminal(place: Place, *args: str) -> tuple[int, bytes]:
    """Run a command on a terminal of its own; return its exit code and all that it showed."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(place.root)
        os.execve(ASYNCFLOW[0], [*ASYNCFLOW, *args], place.environment())
    shown = b""
    while True:
        select.select([terminal], [], [], 30)
        try:
            chunk = os.read(terminal, 1 << 16)
        except OSError:  # the other side is closed
            break
        if not chunk:
            break
        shown += chunk
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown

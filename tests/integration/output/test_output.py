"""What tasks print reaches the log whole, whatever it is, and nobody waits or grows for it."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.chaos.commands import ASYNCFLOW, Ended, Invocation, Workplace
from tests.chaos.processes import is_alive, kill_marked, marked, wait_until_gone

FLOWS = Path(__file__).with_name("flows")
BLOCK = bytes(byte for byte in range(256) if byte not in (10, 13))

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace.make(tmp_path / "work")


def run(place: Workplace, flow: str, *args: str) -> Ended:
    ended = place.run("run", str(FLOWS / f"{flow}.py"), *args)
    assert ended.code == 0, ended.text[-3000:]
    return ended


def log_of(place: Workplace, step: str, *args: str) -> bytes:
    ended = place.run("logs", f"latest/{step}", *args)
    assert ended.code == 0, ended.text[-3000:]
    return ended.out


def peak_of(invocation: Invocation) -> int:
    """Return the scheduler's peak resident memory in bytes, once it has ended."""
    peak = 0
    while invocation.is_running:
        try:
            for line in Path(f"/proc/{invocation.pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    peak = int(line.split()[1]) * 1024
        except OSError:
            break
        time.sleep(0.02)
    ended = invocation.wait()
    assert ended.code == 0, ended.text[-3000:]
    return peak


def wait_for_text(path: Path, text: str, within_s: float = 30.0) -> None:
    deadline = time.monotonic() + within_s
    while text not in (path.read_text() if path.exists() else ""):
        assert time.monotonic() < deadline, f"{text!r} did not come in {within_s} s"
        time.sleep(0.02)


def test_a_million_lines_are_logged_and_the_scheduler_does_not_grow(place: Workplace) -> None:
    # Given the peak memory of a run that prints a thousand lines
    flow = str(FLOWS / "million.py")
    small = peak_of(place.start("run", flow, "--lines", "1000"))
    # When a run prints a million
    large = peak_of(place.start("run", flow, "--lines", "1000000"))
    # Then the log has each of them, in order, and the scheduler is no bigger
    assert log_of(place, "start") == b"".join(b"line %d\n" % number for number in range(1_000_000))
    assert large - small < 16 << 20, (
        f"{small >> 20} MB with a thousand lines, {large >> 20} MB with a million"
    )


def run_on_terminal(place: Workplace, flow: str) -> bytes:
    """Run a flow with a terminal for its output; return what a person would have been shown."""
    master, slave = pty.openpty()
    command = [ASYNCFLOW, "run", str(FLOWS / f"{flow}.py")]
    with subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, env=place.environment("chaos-pty"), cwd=place.root
    ) as process:
        os.close(slave)
        shown = bytearray()
        while True:
            try:
                shown += os.read(master, 1 << 16)
            except OSError:  # the last one to write has closed it
                break
        os.close(master)
        assert process.wait(30) == 0
    return bytes(shown)


def test_any_byte_is_kept(place: Workplace) -> None:
    run(place, "binary")
    lines = log_of(place, "start", "--stdout").split(b"\n")
    assert lines[:50] == [b"%d:" % number + BLOCK for number in range(50)]
    assert lines[50] == b"\x1b]0;owned\x07\x1b[2J[bold red]no markup[/]"
    assert log_of(place, "start", "--stderr").split(b"\n")[0] == b"err\xff\xfe\x00"


def test_a_terminal_obeys_nothing_that_a_task_prints(place: Workplace) -> None:
    shown = run_on_terminal(place, "binary")
    assert b"[bold red]no markup[/]" in shown
    assert b"\x1b]0;" not in shown
    assert b"\x1b[2J" not in shown
    assert b"\x00" not in shown
    assert b"\x9b" not in shown


def test_half_lines_and_progress_bars_are_kept_as_they_were(place: Workplace) -> None:
    run(place, "partial")
    text = log_of(place, "start")
    assert text.rstrip(b"\n") == (
        b"\rprogress 0\rprogress 1\rprogress 2\rprogress 3\rprogress 4\nhalf a line\n\nno newline at the end"
    )


def test_a_step_may_close_its_output_in_any_way(place: Workplace) -> None:
    ended = run(place, "closes")
    assert log_of(place, "start") == b"before the close\n"
    assert log_of(place, "objects") == b"before closing the objects\n"
    assert log_of(place, "replaced") == b"before going nowhere\n"
    assert log_of(place, "all_descriptors") == b"before closing files one did not open\n"
    assert log_of(place, "end") == b"still here after reopened\n"
    assert ended.seconds < 20


def test_a_daemon_that_holds_the_pipes_keeps_nobody_waiting_and_does_not_stay(place: Workplace) -> None:
    # When a step leaves a process with its output open, in another session
    invocation = place.start("run", str(FLOWS / "daemon.py"))
    ended = invocation.wait(60)
    # Then the run ends at once, the log is whole, and the process is gone
    assert ended.code == 0, ended.text[-3000:]
    assert ended.seconds < 15
    assert log_of(place, "start") == b"before the daemon\nafter the daemon\n"
    left = wait_until_gone(invocation.mark, 2.0)
    kill_marked(invocation.mark)
    assert left == []


def test_a_hundred_megabytes_without_a_newline_are_logged_and_the_scheduler_does_not_grow(
    place: Workplace,
) -> None:
    flow = str(FLOWS / "endless.py")
    small = peak_of(place.start("run", flow, "--megabytes", "1"))
    large = peak_of(place.start("run", flow, "--megabytes", "100"))
    text = log_of(place, "start")
    assert len(text.replace(b"\n", b"")) == 100_000_000
    assert text.strip(b"x\n") == b""
    assert large - small < 32 << 20, f"{small >> 20} MB with one megabyte, {large >> 20} MB with a hundred"


def started_deaf(place: Workplace) -> Invocation:
    invocation = place.start("run", str(FLOWS / "deaf.py"))
    wait_for_text(place.root / f"{invocation.mark}.out", "deaf now")
    return invocation


def test_cancel_ends_a_step_that_ignores_signals(place: Workplace) -> None:
    # Given a run whose step and its child process ignore what they are asked
    invocation = started_deaf(place)
    # When another process cancels it
    asked = place.run("cancel", "latest")
    ended = invocation.wait(60)
    # Then it ends once the time of grace is over, with nothing left
    assert asked.code == 0, asked.text
    assert ended.code == 130, ended.text[-3000:]
    assert 5 < ended.seconds < 30
    left = wait_until_gone(invocation.mark, 2.0)
    kill_marked(invocation.mark)
    assert left == []
    assert json.loads(place.run("runs", "--json").stdout)[0]["status"] == "cancelled"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_second_signal_ends_a_deaf_step_at_once(place: Workplace, number: signal.Signals) -> None:
    invocation = started_deaf(place)
    tasks = [(proc.pid, proc.started) for proc in marked(invocation.mark)]
    invocation.process.send_signal(number)
    time.sleep(1.0)
    assert invocation.is_running
    invocation.process.send_signal(number)
    begin = time.monotonic()
    ended = invocation.wait(60)
    assert ended.code == 130, ended.text[-3000:]
    assert time.monotonic() - begin < 5
    assert wait_until_gone(invocation.mark, 2.0) == []
    assert [pid for pid, started in tasks if is_alive(pid, started)] == []

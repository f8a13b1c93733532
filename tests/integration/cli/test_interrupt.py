"""Ctrl-C, SIGTERM, `asyncflow cancel`: what a user sees, the exit code, and that nothing is left."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time

import pytest

from tests.cli.place import ASYNCFLOW, Place

pytestmark = pytest.mark.slow

CANCELLED = "Run 1 was cancelled.\n    To go on with what is left of it: asyncflow resume 1\n"


class Running:
    """A run of the flow that sleeps, whose two tasks are ready."""

    def __init__(self, place: Place, *args: str) -> None:
        self._place = place
        self.process = place.start("run", place.flow("stubborn"), *args)
        self.seen = b""
        self.pids: list[int] = []
        self.read_until(rb"ready (\d+)\n", 2)
        self.pids = [int(pid) for pid in re.findall(rb"ready (\d+)\n", self.seen)]

    def read_until(self, pattern: bytes, count: int = 1) -> None:
        """Read what it shows until a pattern has come so often."""
        assert self.process.stdout is not None
        while len(re.findall(pattern, self.seen)) < count:
            line = self.process.stdout.readline()
            assert line, self.seen.decode()
            self.seen += line

    def end(self) -> tuple[int, str, str]:
        """Wait for its end; return exit code, stdout and stderr."""
        ended = self._place.end_of(self.process)
        return ended.code, self._place.steady(self.seen) + ended.stdout, ended.stderr

    def living(self) -> list[int]:
        """Return the tasks' processes that still live."""
        return [pid for pid in self.pids if _lives(pid)]


def _lives(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def status(place: Place) -> str:
    return str(json.loads(place.run("runs", "--json").stdout)[0]["status"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_once_stops_the_run_in_order(place: Place, number: signal.Signals) -> None:
    running = Running(place)
    running.process.send_signal(number)
    code, stdout, stderr = running.end()
    assert code == 130
    assert (
        f"TIME Workflow interrupted. Asked by {number.name}.\nTIME Terminating 2 active tasks...\n" in stdout
    )
    assert stdout.count("Task was stopped.\n") == 2
    assert stderr == CANCELLED
    assert running.living() == []
    assert status(place) == "cancelled"


def test_twice_does_not_wait(place: Place) -> None:
    running = Running(place, "--ignores", "true")
    running.process.send_signal(signal.SIGINT)
    running.read_until(rb"Task was stopped\.")
    began = time.monotonic()
    running.process.send_signal(signal.SIGINT)
    code, stdout, stderr = running.end()
    assert time.monotonic() - began < 5
    assert code == 130
    assert re.search(
        r"TIME Killing 1 remaining task after having waited for \d+ seconds? -- some tasks", stdout
    )
    assert stderr == CANCELLED
    assert running.living() == []


def test_cancel_stops_a_run_from_outside_and_waits_for_its_end(place: Place) -> None:
    running = Running(place)
    ended = place.run("cancel", "latest")
    assert ended.stdout == "Run 1 was cancelled.\n"
    assert (ended.stderr, ended.code) == ("Asked run 1 to stop...\n", 0)
    code, stdout, stderr = running.end()
    assert code == 130
    assert re.search(r"TIME Workflow interrupted\. Asked by .+ \(asyncflow cancel\)\.\n", stdout)
    assert stderr == CANCELLED
    assert running.living() == []


def test_cancel_by_force_kills_at_once(place: Place) -> None:
    running = Running(place, "--ignores", "true")
    began = time.monotonic()
    assert place.run("cancel", "1", "--force").code == 0
    assert time.monotonic() - began < 5
    assert running.end()[0] == 130
    assert running.living() == []


def test_a_run_whose_driver_is_dead_is_said_to_be_interrupted(place: Place) -> None:
    running = Running(place)
    running.process.kill()
    running.process.communicate()
    ended = place.run("cancel", "1")
    assert ended.stderr == (
        "Invalid command:\n"
        "    Run 1 is interrupted already: the process that drove it is dead, and so are its tasks\n"
        "    Go on with it: asyncflow resume 1\n"
    )
    assert (ended.stdout, ended.code) == ("", 2)
    follow = place.run("logs", "1", "--follow")
    assert follow.stdout.count("ready") == 2
    assert follow.stderr == "Run 1 is interrupted: nobody drives it. Go on: asyncflow resume 1\n"
    assert status(place) == "interrupted"


def test_following_shows_lines_as_they_come(place: Place) -> None:
    running = Running(place)
    follower = place.start("logs", "1", "--follow")
    assert follower.stdout is not None
    first = sorted(follower.stdout.readline() for _ in range(2))
    assert [re.sub(rb"\d+\n", b"", line) for line in first] == [b"[1/sleep/2] ready ", b"[1/sleep/3] ready "]
    running.process.send_signal(signal.SIGINT)
    running.end()
    assert follower.wait(20) == 0
    follower.communicate()


def test_the_tasks_do_not_get_the_terminals_ctrl_c(place: Place) -> None:
    running = Running(place)
    os.killpg(running.process.pid, signal.SIGINT)  # what a terminal does
    code, stdout, _ = running.end()
    assert code == 130
    assert "KeyboardInterrupt" not in stdout


def test_an_interrupt_before_anything_began_is_quiet(place: Place) -> None:
    (place.root / "slow_import.py").write_text(
        "print('importing', flush=True)\nimport time\ntime.sleep(30)\n"
    )
    process = subprocess.Popen(
        [*ASYNCFLOW, "run", "slow_import.py"],
        cwd=place.root,
        env=place.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    ended = place.end_of(process)
    assert (ended.stderr, ended.code) == ("Interrupted.\n", 130)

"""Kill -9 of the worker that async tasks share, and of the scheduler: what had ended is kept, nothing is left over."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path

from tests.integration.async_steps.support import Held

WIDTH = 500
QUICK = 100
TOTAL = sum(number**2 for number in range(WIDTH))


def test_when_the_worker_is_killed_only_what_had_not_ended_is_lost_and_tried_again(tmp_path: Path) -> None:
    # Given 500 tasks of which 100 have ended and 400 are in flight
    held = Held.start(tmp_path, "--width", str(WIDTH), "--quick", str(QUICK))
    held.wait_until_begun(WIDTH)
    # When their worker is killed
    first = held.worker()
    os.kill(first, signal.SIGKILL)
    held.wait_until_begun(WIDTH + 1)
    held.open_gate()
    ended = held.place.end_of(held.process)
    # Then the run succeeds, and each task has ended once
    assert ended.code == 0, ended.stdout[-2000:] + ended.stderr
    assert f"total {TOTAL}" in ended.stdout
    assert set(Counter(held.ended()).values()) == {1}
    # And those in flight began again, in another worker, and no other
    begun = Counter(words[1] for words in held.journal if words[0] == "begin")
    assert [begun[str(number)] for number in range(QUICK)] == [1] * QUICK
    assert [begun[str(number)] for number in range(QUICK, WIDTH)] == [2] * (WIDTH - QUICK)
    assert held.worker() != first
    assert "killed by signal 9" in ended.stdout
    held.wait_until_nothing_is_left()


def test_when_the_scheduler_is_killed_its_tasks_die_and_a_resume_runs_only_what_had_not_ended(
    tmp_path: Path,
) -> None:
    # Given 500 tasks of which 100 have ended
    held = Held.start(tmp_path, "--width", str(WIDTH), "--quick", str(QUICK))
    held.wait_until_begun(WIDTH)
    # When the scheduler is killed
    held.process.kill()
    held.process.communicate()
    held.wait_until_nothing_is_left()
    # Then a resume finishes the run
    held.open_gate()
    ended = held.place.run("resume", "latest")
    assert ended.code == 0, ended.stdout[-2000:] + ended.stderr
    assert f"total {TOTAL}" in ended.stdout
    # And what had ended has not run again
    assert set(Counter(held.ended()).values()) == {1}
    held.wait_until_nothing_is_left()


def test_a_run_with_thousands_waiting_and_hundreds_running_is_cancelled_whole(tmp_path: Path) -> None:
    # Given a run with 1,000 tasks that run and 10,000 that wait
    held = Held.start(tmp_path, "--width", "11000", "--pace", "5", "--ui", "none")
    held.wait_until_begun(1000)
    # When it is cancelled
    ended = held.place.run("cancel", "latest")
    # Then it ends, and no task is left or has ended by itself
    assert ended.code == 0, ended.stderr
    assert held.place.end_of(held.process).code == 130
    assert held.ended() == []
    assert held.begun() == 1000
    held.wait_until_nothing_is_left()

"""A run has one driver: a second one is refused as long as the first lives, asleep or not."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.chaos.commands import Workplace
from tests.chaos.journal import wait_for_begin
from tests.chaos.subject import Subject, reference_of
from tests.faults.support import FLOW, assert_clear

ELSEWHERE = r"driven by (another )?process|process \d+ on \S+ drives it"
SLOW = ("--seconds", "1.5")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def test_of_two_resumes_at_once_one_drives_and_the_other_is_refused(place: Workplace, tmp_path: Path) -> None:
    # Given an interrupted run
    run_id_file = str(place.root / "run-id")
    first = place.start("run", str(FLOW), "--run-id-file", run_id_file, *SLOW)
    wait_for_begin(place.journal, "work")
    first.process.kill()
    first.process.wait(10)
    # When three resume it at the same moment
    ended = [invocation.wait(60) for invocation in [place.start("resume", "1") for _ in range(3)]]
    # Then one does, and the others say who does
    refused = [each for each in ended if each.code != 0]
    assert len(refused) == 2, [each.text[-1500:] for each in ended]
    for each in refused:
        assert_clear(each, ELSEWHERE, code=each.code)
    subject = Subject(place)
    assert subject.find()
    assert subject.chain == [1]
    assert subject.faults(reference_of(FLOW, tmp_path / "reference", options=SLOW)) == []


def test_a_driver_that_sleeps_keeps_its_run(place: Workplace, tmp_path: Path) -> None:
    # Given a run whose scheduler is stopped, as a laptop's lid does it
    run_id_file = str(place.root / "run-id")
    sleeper = place.start("run", str(FLOW), "--run-id-file", run_id_file, *SLOW)
    wait_for_begin(place.journal, "work")
    sleeper.process.send_signal(signal.SIGSTOP)
    # When somebody resumes it, Then that is refused, and the run is not called interrupted
    assert_clear(place.run("resume", "1"), ELSEWHERE, code=2)
    assert '"running"' in place.run("runs", "--json").stdout
    # When it wakes up after its tasks have ended, Then it goes on as if nothing had been
    time.sleep(2.0)
    sleeper.process.send_signal(signal.SIGCONT)
    ended = sleeper.wait(60)
    assert ended.code == 0, ended.text[-3000:]
    subject = Subject(place)
    assert subject.find()
    assert subject.faults(reference_of(FLOW, tmp_path / "reference", options=SLOW)) == []

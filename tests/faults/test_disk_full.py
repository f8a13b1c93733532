"""A full disk is said to be full, loses nothing that was recorded, and the run goes on once there is room."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.commands import Workplace
from tests.chaos.records import run_ids
from tests.chaos.subject import Reference, reference_of
from tests.faults.support import FLOW, Disk, assert_clear, assert_recovers, run_flow

FULL = r"(?i)disk is full"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def test_a_disk_that_is_full_from_the_start_refuses_the_run(
    place_on_disk: Workplace, disk: Disk, expected: Reference
) -> None:
    # Given a disk with no room at all
    ballast = disk.fill()
    # When a run is started, Then it says so
    ended = run_flow(place_on_disk)
    assert_clear(ended, FULL)
    # When there is room, Then nothing of the refusal is in the way
    ballast.unlink()
    assert_recovers(place_on_disk, expected, after=ended)


@pytest.mark.parametrize("left", [40_000, 120_000, 200_000, 300_000, 400_000])
def test_a_disk_that_fills_up_on_the_way_stops_the_run_loudly(
    place_on_disk: Workplace, disk: Disk, expected: Reference, left: int
) -> None:
    # Given a disk that gets full somewhere on the way: in the database, a manifest, a blob
    ballast = disk.fill(leave_bytes=left)
    # When the flow runs
    ended = run_flow(place_on_disk)
    # Then it either has recorded everything, or says that the disk is full
    if ended.code == 0:
        assert left >= 300_000
        return
    assert_clear(ended, FULL)
    # And it goes on once there is room, without doing anything twice
    ballast.unlink()
    assert_recovers(place_on_disk, expected, after=ended)


def test_an_artifact_larger_than_the_disk_fails_its_task_by_name(
    place_on_disk: Workplace, disk: Disk, tmp_path: Path
) -> None:
    # Given an artifact of 17 MB on a disk of 16, and nobody who writes beside its task: else it might be the event log
    # that meets the full disk
    options = ("--kilobytes", "17000", "--max-workers", "1")
    # When the flow runs, Then it is said which artifact has no room
    ended = run_flow(place_on_disk, *options)
    assert_clear(ended, FULL, "noise", r"asyncflow resume \d+")
    # And it goes on with room
    disk.resize("96m")
    large = reference_of(FLOW, tmp_path / "reference", options=options)
    assert_recovers(place_on_disk, large, after=ended)


def test_output_larger_than_the_disk_is_not_lost_in_silence(
    place_on_disk: Workplace, disk: Disk, tmp_path: Path
) -> None:
    # Given tasks that print 60 MB on a disk of 16
    options = ("--lines", "300000")
    # When they run, Then it is said loudly that something could not be written
    ended = run_flow(place_on_disk, *options)
    assert_clear(ended, FULL)
    # And it goes on with room
    disk.resize("256m")
    chatty = reference_of(FLOW, tmp_path / "reference", options=options)
    assert_recovers(place_on_disk, chatty, after=ended)
    log = place_on_disk.run("logs", f"{run_ids(place_on_disk.home)[-1]}/work", timeout_s=60)
    assert log.stdout.count(" of 300000, and this line") == 900_000

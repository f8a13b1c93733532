"""A store that may only be read is read; whoever has to write says that it cannot."""

from __future__ import annotations

import pytest

from tests.chaos.commands import Workplace
from tests.chaos.records import run_ids
from tests.chaos.subject import Reference
from tests.faults.support import Disk, assert_clear, assert_recovers, run_flow

READ_ONLY = r"(?i)read-only"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
def frozen(place_on_disk: Workplace, disk: Disk) -> Workplace:
    """A store with one good run, on a disk that became read-only."""
    ended = run_flow(place_on_disk)
    assert ended.code == 0, ended.text
    disk.freeze()
    return place_on_disk


@pytest.mark.parametrize("command", [("resume", "1"), ("resume", "1", "join"), ("cancel", "1")])
def test_what_has_to_write_says_that_the_store_is_read_only(
    frozen: Workplace, disk: Disk, expected: Reference, command: tuple[str, ...]
) -> None:
    ended = frozen.run(*command)
    if command[0] == "cancel" and ended.code != 0:
        assert_clear(ended, rf"{READ_ONLY}|ended|succeeded|over", code=ended.code)
    else:
        assert_clear(ended, READ_ONLY)
    disk.thaw()
    assert run_ids(frozen.home) == [1]


def test_a_run_says_that_the_store_is_read_only(frozen: Workplace, disk: Disk, expected: Reference) -> None:
    ended = run_flow(frozen)
    assert_clear(ended, READ_ONLY)
    disk.thaw()
    assert run_ids(frozen.home) == [1]
    (frozen.root / "run-id").write_text("")
    assert_recovers(frozen, expected, after=ended)


@pytest.mark.parametrize(
    "command",
    [("runs",), ("runs", "--json"), ("logs", "1/work"), ("dump", "1/end")],
    ids=" ".join,
)
def test_what_only_reads_reads(frozen: Workplace, command: tuple[str, ...]) -> None:
    ended = frozen.run(*command)
    assert ended.code == 0, ended.text
    assert ended.stdout.strip()


def test_doctor_finds_everything_but_the_right_to_write(frozen: Workplace) -> None:
    assert_clear(frozen.run("doctor"), READ_ONLY)

"""`parallel_map` forks for each item; `profile` times a piece of a step."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from asyncflow import MulticoreError, parallel_imap_unordered, parallel_map, profile
from tests.children import children


def test_results_come_in_the_order_of_the_items_from_other_processes() -> None:
    factor = 3
    found = parallel_map(lambda item: (item * factor, os.getpid()), range(7), max_parallel=3)
    assert [result for result, _ in found] == [0, 3, 6, 9, 12, 15, 18]
    assert os.getpid() not in {pid for _, pid in found}
    assert len({pid for _, pid in found}) == 7


def test_results_may_come_in_any_order() -> None:
    assert sorted(parallel_imap_unordered(lambda item: item + 1, [1, 2, 3])) == [2, 3, 4]
    assert parallel_map(lambda item: item, []) == []


def test_a_failure_ends_all_and_leaves_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def work(item: int) -> None:
        if item == 1:
            raise ValueError("bad item")
        signal.pause()

    with pytest.raises(MulticoreError, match="raised an exception, which the log has, for item 1"):
        parallel_map(work, [0, 1, 2], max_parallel=3, dir=str(tmp_path))
    assert "ValueError: bad item" in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert children() == []


def test_a_fork_that_is_killed_is_told() -> None:
    with pytest.raises(MulticoreError, match="was killed by signal 9, for item 0"):
        parallel_map(lambda item: os.kill(os.getpid(), 9), [1])


def test_times_are_printed_or_added_up(capsys: pytest.CaptureFixture[str]) -> None:
    with profile("reading"):
        pass
    assert "PROFILE: reading completed in 0ms" in capsys.readouterr().out
    told: dict[str, float] = {"x": 1000.0}
    with profile("x", stats_dict=told):
        pass
    assert told["x"] >= 1000.0

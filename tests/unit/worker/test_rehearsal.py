"""The rehearsal a zygote does before it forks tasks."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncflow.flow.current import current
from asyncflow.machine.ids import Attempt
from asyncflow.machine.outcome import Outcome, Succeeded
from asyncflow.worker.rehearsal import rehearse


@pytest.mark.parametrize("with_cards", [False, True])
def test_every_attempt_of_it_succeeds_and_nothing_is_left(tmp_path: Path, with_cards: bool) -> None:
    told: list[tuple[Attempt, Outcome]] = []
    rehearse(str(tmp_path), lambda attempt, outcome: told.append((attempt, outcome)), with_cards=with_cards)
    assert len(told) >= 8, "code is rewritten at its eighth call"
    assert all(isinstance(outcome, Succeeded) for _, outcome in told)
    assert {attempt.task for attempt, _ in told} == {1, 2, 3}
    assert list(tmp_path.iterdir()) == []
    assert current.task_id is None


def test_it_is_left_out_where_there_is_no_room_for_it(tmp_path: Path) -> None:
    told: list[Attempt] = []
    rehearse(str(tmp_path / "missing"), lambda attempt, _: told.append(attempt))
    assert told == []

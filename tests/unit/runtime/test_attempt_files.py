"""Which attempts have a file: one look at a directory in place of one at each."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncflow.machine.ids import Attempt
from asyncflow.runtime.attempt_files import attempts_with_file
from asyncflow.store.layout import log_path

RUN = 7


@pytest.mark.parametrize("many", [3, 2500])
def test_those_that_have_one_are_found(many: int, tmp_path: Path) -> None:
    home, asked = str(tmp_path), [Attempt(task, 1) for task in range(1, many + 1)]
    with_one = {asked[0], asked[-1]}
    for attempt in (*with_one, Attempt(2, 0), Attempt(many + 1, 1)):
        path = Path(log_path(home, RUN, *attempt))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        path.with_suffix(".cards").touch()
        (path.parent / f"{attempt.task}.1.cards").touch()
        (path.parent / "note.log").touch()

    found = list(attempts_with_file(home, RUN, asked, ".log"))

    assert with_one <= set(found)
    assert len(found) == 2 if many > 32 else len(found) == many, "of few nobody knows, of many it is known"


def test_a_directory_that_is_not_there_has_none(tmp_path: Path) -> None:
    asked = [Attempt(task, 0) for task in range(2500)]

    assert list(attempts_with_file(str(tmp_path), RUN, asked, ".log")) == []

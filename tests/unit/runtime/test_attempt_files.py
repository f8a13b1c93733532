"""Which attempts have a file: one look at a directory in place of one at each."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncflow.machine.ids import Attempt
from asyncflow.runtime.attempt_files import attempts_with_file


@pytest.mark.parametrize("many", [3, 500])
def test_those_that_have_one_are_found(many: int, tmp_path: Path) -> None:
    (tmp_path / "0").mkdir()
    for task in (1, many - 1):
        (tmp_path / "0" / f"{task}.log").touch()
    asked = [Attempt(task, 0) for task in range(many)]

    found = list(attempts_with_file(asked, lambda one: f"{tmp_path}/{one.task // 1000}/{one.task}.log"))

    assert {Attempt(1, 0), Attempt(many - 1, 0)} <= set(found)
    assert len(found) == 2 if many > 32 else len(found) == many, "of few nobody knows, of many it is known"


def test_a_directory_that_is_not_there_has_none(tmp_path: Path) -> None:
    asked = [Attempt(task, 0) for task in range(2500)]

    found = list(attempts_with_file(asked, lambda one: f"{tmp_path}/{one.task // 1000}/{one.task}.log"))

    assert found == []

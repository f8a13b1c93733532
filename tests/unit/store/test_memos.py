"""Notes of what results were made of: appended by many, read as they grow, of use when damaged."""

from __future__ import annotations

from pathlib import Path

from asyncflow.store.layout import memo_path
from asyncflow.store.memos import Memo, Memos, forget_runs, note

BASE = "ab" * 20
KEYS = [f"{number:040x}" for number in range(20)]


def test_a_result_is_found_by_its_key_and_the_latest_counts(tmp_path: Path) -> None:
    root = str(tmp_path)
    memos = Memos(root, BASE)
    assert list(memos.reads()) == []
    note(root, BASE, KEYS[0], Memo(1, 2, 0, 5.0), ("self.x",))
    note(root, BASE, KEYS[1], Memo(1, 3, 0, 5.0), ("self.x", "self.y"))
    assert list(memos.reads()) == [("self.x", "self.y"), ("self.x",)]
    assert memos.find(KEYS[0]) == Memo(1, 2, 0, 5.0)
    note(root, BASE, KEYS[0], Memo(2, 2, 1, 6.5), ("self.x",))
    assert next(iter(memos.reads())) == ("self.x",)
    assert memos.find(KEYS[0]) == Memo(2, 2, 1, 6.5)
    assert memos.find(KEYS[5]) is None


def test_a_line_that_was_cut_off_costs_itself_only(tmp_path: Path) -> None:
    root = str(tmp_path)
    note(root, BASE, KEYS[0], Memo(1, 2, 0, 5.0), ())
    with open(memo_path(root, BASE), "ab") as file:
        file.write(b"\xff\xfe half a line\n" + KEYS[1].encode() + b" 1 x")
    memos = Memos(root, BASE)
    assert list(memos.reads()) == [()]
    assert memos.find(KEYS[0]) is not None
    assert memos.find(KEYS[1]) is None


def test_names_that_are_no_words_are_not_noted(tmp_path: Path) -> None:
    note(str(tmp_path), BASE, KEYS[0], Memo(1, 2, 0, 5.0), ("self.two words",))
    assert list(Memos(str(tmp_path), BASE).reads()) == []


def test_runs_that_are_gone_are_forgotten_and_a_file_without_any_goes(tmp_path: Path) -> None:
    root = str(tmp_path)
    for run in (1, 2):
        note(root, BASE, KEYS[run], Memo(run, 2, 0, 5.0), ())
    memos = Memos(root, BASE)
    list(memos.reads())
    forget_runs(root, lambda run: run == 2)
    assert list(memos.reads()) == [()]
    assert (memos.find(KEYS[1]), memos.find(KEYS[2])) == (None, Memo(2, 2, 0, 5.0))
    forget_runs(root, lambda run: False)
    assert not (tmp_path / "memos" / BASE).exists()


def test_a_file_in_which_results_stand_again_and_again_is_written_anew(tmp_path: Path) -> None:
    root = str(tmp_path)
    for number in range(5100):
        note(root, BASE, KEYS[number % 10], Memo(number, 2, 0, 5.0), ())
    memos = Memos(root, BASE)
    list(memos.reads())
    assert len((tmp_path / "memos" / BASE).read_text().splitlines()) == 10
    list(memos.reads())
    assert memos.find(KEYS[9]) == Memo(5099, 2, 0, 5.0)

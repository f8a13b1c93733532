"""Files that a result depends on by name: what tells whether they are as they were."""

from __future__ import annotations

import os
from pathlib import Path

from asyncflow.store.reads import ABSENT
from asyncflow.worker.named_files import content_digest, stamp_of


def test_a_directory_counts_with_the_names_and_contents_of_all_below_it(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    file = tmp_path / "below" / "a.txt"
    file.write_text("1")
    first = (content_digest(str(tmp_path)), stamp_of(str(tmp_path)))
    assert first == (content_digest(str(tmp_path)), stamp_of(str(tmp_path)))
    file.write_text("22")
    second = (content_digest(str(tmp_path)), stamp_of(str(tmp_path)))
    assert (first[0] != second[0], first[1] != second[1]) == (True, True)
    file.rename(tmp_path / "b.txt")
    assert content_digest(str(tmp_path)) not in (first[0], second[0])


def test_a_copy_with_another_time_has_another_stamp_and_the_same_content(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("1")
    stamp, digest = stamp_of(str(file)), content_digest(str(file))
    os.utime(file, (1, 1))
    assert stamp_of(str(file)) != stamp
    assert content_digest(str(file)) == digest


def test_what_is_not_there_is_said_so_and_an_empty_directory_is_there(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone")
    assert (stamp_of(gone), content_digest(gone)) == (ABSENT, ABSENT)
    assert ABSENT not in (stamp_of(str(tmp_path)), content_digest(str(tmp_path)))

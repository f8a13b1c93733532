"""The file that shows what a running task's cards have: whole or not there, whoever reads it when."""

from __future__ import annotations

from pathlib import Path

import msgpack
import pytest

from asyncflow.cards.live import Live, read_live, remove_live, stamp_of, write_live
from asyncflow.errors import StoreError
from asyncflow.store.layout import live_cards_path
from asyncflow.store.manifest import CardRecord

KEY = (3, 1234, 1)
LIVE = Live(
    2,
    5.0,
    (CardRecord("default", "", "ab" * 20, 4, b"body", 5.0), CardRecord("blank", "b", "cd" * 20, 0, b"")),
)


def test_what_is_written_is_read_and_each_version_has_a_stamp_of_its_own(tmp_path: Path) -> None:
    root = str(tmp_path)
    assert read_live(root, *KEY) is None
    assert stamp_of(root, *KEY) is None

    write_live(root, KEY, LIVE)
    first = stamp_of(root, *KEY)
    assert read_live(root, *KEY) == LIVE
    write_live(root, KEY, LIVE._replace(number=3))

    assert stamp_of(root, *KEY) not in (None, first)
    assert read_live(root, *KEY) == LIVE._replace(number=3)
    assert list((tmp_path / "tmp").iterdir()) == []
    remove_live(root, KEY)
    remove_live(root, KEY)
    assert read_live(root, *KEY) is None


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "does not begin"),
        (b"AFL1", "cannot be read"),
        (b"AFL1" + msgpack.packb([9, 1, 1.0, []]), "newer release"),
        (b"AFL1" + msgpack.packb([1, 1, 1.0, [["only a type"]]]), "cannot be read"),
    ],
)
def test_a_file_that_is_none_of_ours_is_told(tmp_path: Path, data: bytes, why: str) -> None:
    path = Path(live_cards_path(str(tmp_path), *KEY))
    path.parent.mkdir(parents=True)
    path.write_bytes(data)

    with pytest.raises(StoreError, match=why):
        read_live(str(tmp_path), *KEY)


def test_fields_that_a_newer_release_added_are_left_out(tmp_path: Path) -> None:
    path = Path(live_cards_path(str(tmp_path), *KEY))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"AFL1" + msgpack.packb([1, 2, 5.0, [[*LIVE.cards[0], "more"]], "even more"]))

    assert read_live(str(tmp_path), *KEY) == LIVE._replace(cards=LIVE.cards[:1])

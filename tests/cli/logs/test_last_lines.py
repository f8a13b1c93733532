"""The end of a log, whatever its length."""

from __future__ import annotations

from pathlib import Path

from asyncflow.client.logs import has_log, last_lines
from asyncflow.machine.ids import ManifestKey
from asyncflow.store.layout import log_path
from asyncflow.store.logfile import stamp

KEY = ManifestKey(1, 2, 0)


def write(home: Path, text: bytes) -> None:
    path = Path(log_path(str(home), *KEY))
    path.parent.mkdir(parents=True)
    path.write_bytes(stamp(text, 1.5, "stdout"))


def test_no_log_has_no_lines(tmp_path: Path) -> None:
    assert last_lines(str(tmp_path), KEY, 3) == []
    assert not has_log(str(tmp_path), KEY)


def test_a_short_log_is_given_whole(tmp_path: Path) -> None:
    write(tmp_path, b"one\ntwo\n")
    assert last_lines(str(tmp_path), KEY, 3) == [b"one", b"two"]
    assert has_log(str(tmp_path), KEY)


def test_of_a_long_log_only_the_end_is_read_and_no_line_is_cut(tmp_path: Path) -> None:
    write(tmp_path, b"".join(b"line %d\n" % number for number in range(200_000)))
    assert last_lines(str(tmp_path), KEY, 2) == [b"line 199998", b"line 199999"]
    every = last_lines(str(tmp_path), KEY, 100_000)
    assert len(every) < 20_000
    assert all(line.startswith(b"line ") for line in every)

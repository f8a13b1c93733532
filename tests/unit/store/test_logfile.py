"""Log lines: what is stamped is what is read back, wherever the file is cut."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from asyncflow.errors import StoreError
from asyncflow.store.logfile import LogLine, parse, read_log, stamp, stamp_piece


def test_whole_lines_are_stamped_with_time_and_stream() -> None:
    stamped = stamp(b"first\nsecond\n", 1700000000.25, "stdout")
    assert stamped == b"1700000000.250000 o first\n1700000000.250000 o second\n"


def test_a_piece_says_that_its_line_goes_on() -> None:
    assert stamp_piece(b"half a", 2.0, "stderr") == b"2.000000 e+ half a\n"


@pytest.mark.parametrize(
    "text", [b"\n", b"\n\n\n", b" \n", b"a b  c\n", b"\xff\0\r\x1b\n", b"1.5 o nested\n"]
)
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_reading_gives_back_what_was_stamped(text: bytes, stream: str) -> None:
    lines = list(parse(io.BytesIO(stamp(text, 3.5, stream))))
    assert b"".join(line.text + b"\n" for line in lines) == text
    assert {(line.at, line.stream, line.is_whole) for line in lines} == {(3.5, stream, True)}


def test_pieces_and_their_end_make_the_line() -> None:
    log = (
        stamp_piece(b"one ", 1.0, "stdout")
        + stamp_piece(b"two ", 2.0, "stdout")
        + stamp(b"three\n", 3.0, "stdout")
    )
    lines = list(parse(io.BytesIO(log)))
    assert b"".join(line.text for line in lines) == b"one two three"
    assert [line.is_whole for line in lines] == [False, False, True]


@pytest.mark.parametrize("line", [b"no stamp at all\n", b"\n", b"1.5\n", b"1.5 x text\n", b"nan? o text\n"])
def test_a_line_without_a_stamp_is_text_of_stdout(line: bytes) -> None:
    (read,) = parse([line])
    assert (read.stream, read.text, read.is_whole) == ("stdout", line.rstrip(b"\n"), True)


def test_a_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert list(read_log(str(tmp_path / "1.0.log"))) == []


def test_a_log_can_be_followed_while_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "1.0.log"
    path.write_bytes(stamp(b"first\nsecond\n", 1.0, "stdout") + b"2.000000 o thi")
    first = list(read_log(str(path)))
    assert [line.text for line in first] == [b"first", b"second"]
    with path.open("ab") as file:
        file.write(b"rd\n" + stamp(b"fourth\n", 3.0, "stderr"))
    then = list(read_log(str(path), position=first[-1].end))
    assert then == [
        LogLine(2.0, "stdout", b"third", True, first[-1].end + len(b"2.000000 o third\n")),
        LogLine(3.0, "stderr", b"fourth", True, os.path.getsize(path)),
    ]


def test_every_line_can_be_read_on_from(tmp_path: Path) -> None:
    path = tmp_path / "1.0.log"
    path.write_bytes(stamp(b"a\nbb\n\nccc\n", 1.0, "stdout"))
    lines = list(read_log(str(path)))
    for number, line in enumerate(lines):
        assert list(read_log(str(path), position=line.end)) == lines[number + 1 :]


def test_a_log_that_cannot_be_read_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="A task's log could not be read"):
        list(read_log(str(tmp_path)))

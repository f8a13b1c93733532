"""Nothing that a task, a file or another person wrote is obeyed by a terminal."""

from __future__ import annotations

import io
from contextlib import redirect_stdout

import pytest

from asyncflow.cli import terminal
from asyncflow.cli.table import Column, write_table
from asyncflow.cli.terminal import Span, Style, one_line, visible, visible_bytes


class Screen(io.TextIOWrapper):
    """A terminal that keeps what is written to it."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding, write_through=True)

    def isatty(self) -> bool:
        return True

    @property
    def text(self) -> str:
        buffer = self.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue().decode(self.encoding)


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    return Screen()


EVIL = [
    ("\x1b[2J\x1b[H", "\\x1b[2J\\x1b[H"),
    ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
    ("\x9b31mred", "\\x9b31mred"),
    ("a\x08b", "a\\x08b"),
    ("fine\u202egnp.exe", "fine\\u202egnp.exe"),
    ("\x7f", "\\x7f"),
    ("\ud800", "\\ud800"),
    ("\u2066x\u2069", "\\u2066x\\u2069"),
]


@pytest.mark.parametrize(("text", "shown"), EVIL)
def test_what_a_terminal_would_obey_is_shown_as_text(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert one_line(text) == shown


def test_plain_text_of_any_language_is_left_alone() -> None:
    text = "Grüße, 世界, عالم 🎉\n\ttab"
    assert visible(text) == text


def test_one_line_has_no_line_feeds_and_is_cut() -> None:
    assert one_line("a\nb\tc\rd") == "a b c d"
    assert one_line("abcdef", 4) == "abc…"


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"plain\n", b"plain\n"),
        (b"\x1b[31mred\x1b[0m\n", b"\\x1b[31mred\\x1b[0m\n"),
        (b"\xff\xfe\n", b"\\xff\\xfe\n"),
        ("Grüße\n".encode(), "Grüße\n".encode()),
        ("\x9b2J\n".encode(), b"\\x9b2J\n"),
        (b" 1%\r 50%\r100%\n", b"100%\n"),
        (b"dos\r\n", b"dos\n"),
        (b"\x00\n", b"\\x00\n"),
    ],
)
def test_bytes_of_a_task_are_made_harmless(data: bytes, shown: bytes) -> None:
    assert visible_bytes(data) == shown


def test_only_our_own_spans_have_a_style(screen: Screen) -> None:
    with redirect_stdout(screen):
        terminal.out(Span("ours\x1b[5m", Style.BOLD), " theirs\x1b[5m")
    assert screen.text == "\x1b[1mours\\x1b[5m\x1b[0m theirs\\x1b[5m\n"


def test_no_colour_is_honoured(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    with redirect_stdout(screen):
        terminal.out(Span("ours", Style.BOLD))
    assert screen.text == "ours\n"


def test_a_screen_that_cannot_show_a_character_gets_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen("ascii")
    monkeypatch.setenv("NO_COLOR", "1")
    with redirect_stdout(screen):
        terminal.out("Grüße")
    assert screen.text == "Gr\\xfc\\xdfe\n"


def test_a_table_fits_the_columns_there_are(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    columns = [Column("N", is_right=True), Column("NAME", can_shrink=True), Column("END")]
    with redirect_stdout(screen):
        write_table(columns, [["1", "x" * 60, "done"], ["22", "evil\x1b[2J\nline", ""]])
    assert screen.text == (
        f" N  NAME                            END\n 1  {'x' * 29}…  done\n22  evil\\x1b[2J line\n"
    )
    assert max(map(len, screen.text.splitlines())) == 40

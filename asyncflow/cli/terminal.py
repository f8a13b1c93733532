"""The only module that writes to the screen. stdout is data, stderr is narration.

Text from tasks, files and other people is data: whatever a terminal would obey (escape sequences, control characters,
characters that turn the direction of writing round) is shown as text. Only a `Span` has a style, and its text is
treated the same.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, TextIO

from asyncflow.text import one_line, visible, visible_bytes

if TYPE_CHECKING:
    from rich.color import ColorSystem
    from rich.segment import Segment

__all__ = [
    "Part",
    "Span",
    "Style",
    "err",
    "has_colour",
    "is_terminal",
    "one_line",
    "out",
    "out_bytes",
    "out_drawn",
    "painted",
    "visible",
    "visible_bytes",
    "width",
]


class Style(StrEnum):
    """How a piece of our own text looks; the value is the terminal's code."""

    BOLD = "1"
    DIM = "2"
    RED = "31"
    GREEN = "32"
    YELLOW = "33"
    CYAN = "36"
    BOLD_RED = "1;31"


class Span(NamedTuple):
    """A piece of text with a style."""

    text: str
    style: Style


Part = str | Span


def out(*parts: Part) -> None:
    """Write one line (or several, in one piece) of data."""
    _write(sys.stdout, parts)


def err(*parts: Part) -> None:
    """Write one line of narration; a terminal that has hung up hears nothing, which is no failure."""
    try:
        _write(sys.stderr, parts)
    except OSError as error:
        if error.errno != errno.EIO:
            raise


def out_bytes(data: bytes) -> None:
    """Write bytes as they are: log lines to a file or a pipe, where nobody obeys them."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def out_drawn(lines: Sequence[Sequence[Segment]]) -> None:
    """Write lines that were drawn elsewhere, in their colours if those are wanted."""
    from rich.color import ColorSystem  # loaded by who has drawn

    is_coloured = has_colour(sys.stdout)
    system = _colours(ColorSystem) if is_coloured else None
    for line in lines:
        told = "".join(
            one_line(text) if style is None else style.render(one_line(text), color_system=system)
            for text, style, _ in line
        )
        _write_raw(sys.stdout, f"{told.rstrip()}\n" if system is None else f"{told}\n")
    sys.stdout.flush()


def _colours(system: type[ColorSystem]) -> ColorSystem:
    """Return how many colours the terminal has."""
    if os.environ.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return system.TRUECOLOR
    return system.EIGHT_BIT if "256color" in os.environ.get("TERM", "") else system.STANDARD


def painted(text: str, style: Style, stream: TextIO) -> str:
    """Return our own text with a style, if the stream shows styles."""
    return f"\x1b[{style}m{text}\x1b[0m" if has_colour(stream) else text


def is_terminal(stream: TextIO) -> bool:
    """Tell whether somebody looks at the stream."""
    try:
        return stream.isatty()
    except ValueError:  # it is closed
        return False


def has_colour(stream: TextIO) -> bool:
    """Tell whether styles are wanted: a terminal, NO_COLOR not set."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def width() -> int:
    """Return how many columns there are: COLUMNS, else the terminal's, else 80."""
    from shutil import (
        get_terminal_size,  # comes with bz2 and lzma, which a run keeps out of its tasks' memory
    )

    return max(40, get_terminal_size((80, 24)).columns)


def _write(stream: TextIO, parts: Sequence[Part]) -> None:
    _write_raw(stream, "".join(_rendered(part, stream) for part in parts) + "\n")
    stream.flush()


def _write_raw(stream: TextIO, text: str) -> None:
    encoding = stream.encoding or "utf-8"
    if not text.isascii():
        text = text.encode(encoding, "backslashreplace").decode(encoding)
    stream.write(text)


def _rendered(part: Part, stream: TextIO) -> str:
    if isinstance(part, Span):
        return painted(visible(part.text), part.style, stream)
    return visible(part)

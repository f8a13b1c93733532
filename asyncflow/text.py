"""Text as people read it: other people's text made harmless, and times and sizes in words.

Text from tasks, files and other people is data: whatever a terminal would obey (escape sequences, control characters,
characters that turn the direction of writing round) is shown as text.
"""

from __future__ import annotations

import re
import time

__all__ = [
    "bytes_text",
    "duration_text",
    "moment_text",
    "one_line",
    "parse_moment",
    "visible",
    "visible_bytes",
]

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_CONTROL_OR_SPACE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_SUSPECT_BYTES = bytes([*range(0x09), *range(0x0B, 0x20), *range(0x7F, 0x100)])
_OVERWRITTEN = re.compile(rb"[^\n]*\r")
_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|min|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}
_FORMATS = ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S")


def visible(text: str) -> str:
    """Return text in which nothing is left that a terminal would obey, but line feeds and tabs."""
    return text if text.isprintable() else _CONTROL.sub(_escaped, text)


def one_line(text: str, most: int | None = None) -> str:
    """Return text that stays on one line, cut to `most` characters."""
    shown = text if text.isprintable() else _CONTROL_OR_SPACE.sub(_escaped_or_blank, text)
    if most is not None and len(shown) > most:
        shown = f"{shown[: max(0, most - 1)]}…"
    return shown


def visible_bytes(lines: bytes) -> bytes:
    """Return whole lines as a terminal may show them.

    Of a line that was written over (a progress bar with carriage returns) the last state is left, as a terminal
    would show it. Costs 0.5 ms a megabyte of plain text.
    """
    if len(lines.translate(None, _SUSPECT_BYTES)) == len(lines):
        return lines
    if b"\r" in lines:
        lines = _OVERWRITTEN.sub(b"", lines.replace(b"\r\n", b"\n"))
    return visible(lines.decode("utf-8", "backslashreplace")).encode("utf-8", "backslashreplace")


def moment_text(at: float) -> str:
    """Return a time in the local zone, to the second."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def duration_text(seconds: float) -> str:
    """Return `0.4s`, `12s`, `3m05s`, `2h07m`, `3d04h`."""
    if seconds < 9.95:
        return f"{max(seconds, 0.0):.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02d}h"


def bytes_text(size: int) -> str:
    """Return `512 B`, `1.5 KB`, `3.0 MB`."""
    amount = float(size)
    for unit in ("B", "KB", "MB", "GB"):
        if amount < 1024:
            return f"{size} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TB"


def parse_moment(text: str, now: float) -> float | None:
    """Read `2h`, `3d`, `2026-01-31` or `2026-01-31 18:00`; None if it is none of these."""
    ago = _AGO.fullmatch(text.strip())
    if ago is not None:
        return now - float(ago[1]) * _SECONDS[ago[2]]
    for form in _FORMATS:
        try:
            return time.mktime(time.strptime(text.strip(), form))
        except (ValueError, OverflowError):
            continue
    return None


def _escaped(found: re.Match[str]) -> str:
    return _code(found.group())


def _escaped_or_blank(found: re.Match[str]) -> str:
    character = found.group()
    return " " if character in "\t\n\r" else _code(character)


def _code(character: str) -> str:
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"

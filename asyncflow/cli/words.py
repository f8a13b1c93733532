"""Times, sizes and statuses as people read them."""

from __future__ import annotations

import re
import time

from asyncflow.cli.terminal import Span, Style

__all__ = ["bytes_text", "duration_text", "moment_text", "parse_moment", "status_span"]

_STATUS_STYLES = {
    "running": Style.CYAN,
    "succeeded": Style.GREEN,
    "failed": Style.RED,
    "cancelled": Style.YELLOW,
    "interrupted": Style.YELLOW,
}
_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|min|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}
_FORMATS = ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S")


def status_span(status: str) -> Span:
    """Return a status in its colour."""
    return Span(status, _STATUS_STYLES.get(status, Style.DIM))


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

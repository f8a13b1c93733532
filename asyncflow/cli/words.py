"""Times, sizes and statuses as people read them."""

from __future__ import annotations

from asyncflow.cli.terminal import Span, Style
from asyncflow.text import bytes_text, duration_text, moment_text, parse_moment

__all__ = ["bytes_text", "duration_text", "moment_text", "parse_moment", "status_span"]

_STATUS_STYLES = {
    "running": Style.CYAN,
    "succeeded": Style.GREEN,
    "failed": Style.RED,
    "cancelled": Style.YELLOW,
    "interrupted": Style.YELLOW,
}


def status_span(status: str) -> Span:
    """Return a status in its colour."""
    return Span(status, _STATUS_STYLES.get(status, Style.DIM))

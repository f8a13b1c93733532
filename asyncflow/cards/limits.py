"""How much of anything a card shows. What is beyond is left out, and a note says so."""

from __future__ import annotations

__all__ = [
    "CARD_BYTES",
    "CELL_CHARS",
    "DEPTH",
    "IMAGE_BYTES",
    "JSON_CHARS",
    "METRIC_POINTS",
    "NODES",
    "SPEC_CHARS",
    "TABLE_CHARS",
    "TABLE_COLUMNS",
    "TABLE_ROWS",
    "TEXT_CHARS",
    "TITLE_CHARS",
    "clipped",
    "left_out",
    "title_of",
]

TEXT_CHARS = 100_000
TITLE_CHARS = 300
CELL_CHARS = 1_000
TABLE_ROWS = 1_000
TABLE_COLUMNS = 60
TABLE_CHARS = 400_000
"""Of all cells of one table."""
JSON_CHARS = 200_000
SPEC_CHARS = 1_000_000
IMAGE_BYTES = 5_000_000
METRIC_POINTS = 500
"""Of one curve."""
NODES = 1_000
"""Of one level."""
DEPTH = 12
"""Of nodes in nodes."""
CARD_BYTES = 20_000_000
"""Of a whole card, packed."""


def clipped(text: object, most: int = TEXT_CHARS) -> tuple[str, str]:
    """Return text of at most that many characters, and a note if it was longer, else an empty one."""
    whole = text if isinstance(text, str) else str(text)
    if len(whole) <= most:
        return whole, ""
    return whole[:most], f"Cut: {most:,} of {len(whole):,} characters are shown."


def title_of(text: object) -> str:
    """Return a title, a label or a name as a text of bearable length; None as an empty one."""
    if text is None:
        return ""
    whole = str(text)
    return whole if len(whole) <= TITLE_CHARS else f"{whole[: TITLE_CHARS - 1]}…"


def left_out(shown: int, of: int, what: str) -> str:
    """Return the note for a collection of which only the first are shown; empty if all are."""
    return "" if shown >= of else f"Cut: {shown:,} of {of:,} {what} are shown."

"""The rows in docs/compatibility.md: `python -m tests.reference.page` writes them."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from tests.reference.rows import ROWS, Row

__all__ = ["PAGE", "with_rows"]

PAGE = Path(__file__).parents[2] / "docs" / "compatibility.md"
_BEGIN = "<!-- from here on written by: python -m tests.reference.page -->\n"
_END = "<!-- to here -->\n"
_SAID = {"yes": "yes", "better": "better", "differs": "differ", "missing": "not yet"}
_NAMES = {"missing": "not yet", "cloud": "cloud only"}


def with_rows(text: str) -> str:
    """Return the page with its rows as they should be."""
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n{_summary()}\n{''.join(_sections())}\n{_END}{after}"


def _summary() -> str:
    lines: list[str] = []
    for priority in ("P0", "P1"):
        of = [row for row in ROWS if row.priority == priority and row.verdict != "cloud"]
        cloud = sum(row.priority == priority and row.verdict == "cloud" for row in ROWS)
        told = ", ".join(f"{sum(row.verdict == word for row in of)} {said}" for word, said in _SAID.items())
        more = f" {cloud} more are of no use but in the cloud, and are not here yet." if cloud else ""
        lines.append(f"{priority}: {len(of)} behaviours, of these {told}.{more}\n")
    return "\n".join(lines)


def _sections() -> list[str]:
    made: list[str] = []
    for section, rows in groupby(ROWS, key=lambda row: row.section):
        head = f"\n### {section}\n\n| | behaviour | asyncflow | |\n|---|---|---|---|\n"
        made.append(head + "".join(_line(row) for row in rows))
    return made


def _line(row: Row) -> str:
    behaviour = row.behaviour.replace("*", "\\*").replace("_", "\\_")
    return f"| {row.priority} | {behaviour} | {_NAMES.get(row.verdict, row.verdict)} | {row.note} |\n"


if __name__ == "__main__":
    PAGE.write_text(with_rows(PAGE.read_text()))

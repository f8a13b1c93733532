"""The behaviours (P0: every user's, P1: most teams'), each with what asyncflow does and the tests that show it.

`rows.txt` has them, one a line: priority | behaviour | verdict | evidence | note. The verdict is `yes`, `better`,
`differs`, `missing` or `cloud` (of no use on one machine, and missing); evidence is `file:name of the test` or
`diff:case of the differential tests`, with commas.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["ROWS", "Row"]


@dataclass(frozen=True, slots=True)
class Row:
    """One behaviour."""

    section: str
    priority: str
    behaviour: str
    verdict: str
    evidence: tuple[str, ...]
    note: str


def _read(table: str) -> tuple[Row, ...]:
    rows: list[Row] = []
    section = ""
    for line in filter(None, table.splitlines()):
        if line.startswith("# "):
            section = line[2:]
            continue
        priority, behaviour, verdict, *more = (part.strip() for part in line.split("|"))
        evidence = tuple(one.strip() for one in more[0].split(",") if one.strip()) if more else ()
        rows.append(Row(section, priority, behaviour, verdict, evidence, more[1] if len(more) > 1 else ""))
    return tuple(rows)


ROWS = _read(Path(__file__).with_name("rows.txt").read_text())
"""In the order of the reference."""

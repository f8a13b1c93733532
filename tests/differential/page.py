"""The table of docs/compatibility.md, from the cases: `python -m tests.differential.page` writes it."""

from __future__ import annotations

from pathlib import Path

from tests.differential.better import DIFFERENT
from tests.differential.cases import CASES

__all__ = ["PAGE", "with_table"]

PAGE = Path(__file__).parents[2] / "docs" / "compatibility.md"
_MARK = "<!-- from here on written by: python -m tests.differential.page -->\n"


def with_table(text: str) -> str:
    """Return the page with its table as it should be."""
    rows = [_row(name) for name in CASES]
    head = "| flow in `tests/differential/cases.py` | as under Metaflow | |\n|---|---|---|"
    return f"{text.partition(_MARK)[0]}{_MARK}\n" + "\n".join([head, *rows]) + "\n"


def _row(name: str) -> str:
    difference = DIFFERENT.get(name)
    if difference is None:
        return f"| {name.replace('_', ' ')} | yes | |"
    return (
        f"| {name.replace('_', ' ')} | {'better' if difference.is_better else 'differs'} | {difference.why} |"
    )


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text()))

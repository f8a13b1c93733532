"""Each behaviour that many users rely on is shown by tests that exist, and the page says so."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.differential.better import DIFFERENT
from tests.differential.cases import CASES
from tests.reference.page import PAGE, with_rows
from tests.reference.rows import ROWS, Row

TESTS = Path(__file__).parents[1]
VERDICTS = ("yes", "better", "differs", "missing", "cloud")


@cache
def known_tests() -> frozenset[str]:
    """Return every test there is, as `file:name`."""
    found: set[str] = set()
    for file in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                found.add(f"{file.stem}:{node.name.removeprefix('test_')}")
    return frozenset(found)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.section}: {row.behaviour}".replace(" ", "_"))
def test_what_shows_it_is_there(row: Row) -> None:
    assert row.verdict in VERDICTS
    assert row.priority in ("P0", "P1")
    if row.verdict in ("missing", "cloud"):
        assert row.note, "a row that is missing says why"
        assert not row.evidence
        return
    assert row.evidence, "a row that is there is shown by a test"
    for evidence in row.evidence:
        kind, _, name = evidence.partition(":")
        if kind == "diff":
            assert name in CASES
            assert name not in DIFFERENT or row.verdict != "yes"
        else:
            assert evidence in known_tests()
    if row.verdict == "differs":
        assert row.note, "a row that differs says how"


def test_all_that_everybody_needs_is_there_and_nearly_all_that_most_teams_need() -> None:
    assert [row.behaviour for row in ROWS if row.priority == "P0" and row.verdict == "missing"] == []
    in_scope = [row for row in ROWS if row.priority == "P1" and row.verdict != "cloud"]
    there = [row for row in in_scope if row.verdict != "missing"]
    assert len(there) >= 0.95 * len(in_scope)


def test_no_row_is_there_twice() -> None:
    keys = [(row.section, row.behaviour) for row in ROWS]
    assert len(keys) == len(set(keys))


def test_the_page_is_current() -> None:
    text = PAGE.read_text()
    assert text == with_rows(text), "python -m tests.reference.page"

"""docs/compatibility.md says what the tests show."""

from __future__ import annotations

from tests.differential.page import PAGE, with_table


def test_the_table_of_the_page_is_current() -> None:
    text = PAGE.read_text()
    assert text == with_table(text), "python -m tests.differential.page"

"""Numbers that are none are refused in words of people."""

from __future__ import annotations

import pytest

from tests.cli.place import Place


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--max-workers", "abc", "'abc' is no whole number"),
        ("--max-workers", "2.5", "'2.5' is no whole number"),
        ("--max-workers", "0", "0 is not in the range x>=1"),
        ("--max-log-size", "nan", "'nan' is no number"),
        ("--failure-grace", "soon", "'soon' is no number"),
    ],
)
def test_a_number_that_is_none_is_named(place: Place, option: str, value: str, told: str) -> None:
    ended = place.run("run", place.flow("letters"), option, value)
    assert (ended.code, told in ended.stderr) == (2, True)


def test_no_limit_may_be_written_as_infinite(place: Place) -> None:
    assert place.run("run", place.flow("letters"), "--max-log-size", "inf").code == 0

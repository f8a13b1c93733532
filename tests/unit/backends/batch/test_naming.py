"""A job's name tells whose it is, and is told from others' names."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncflow.backends.batch.naming import (
    ARRAY,
    GANG,
    ONE,
    Kind,
    attempts_of,
    attempts_text,
    job_name,
    legal_tag,
    parse_job_name,
    prefix_of,
    tags_of,
)
from asyncflow.machine.ids import Attempt
from tests.unit.backends.batch.asked import job

LEGAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
ATTEMPTS = st.lists(st.builds(Attempt, st.integers(1, 10**9), st.integers(0, 30)), min_size=1, unique=True)


@given(ATTEMPTS)
def test_attempts_are_read_as_they_were_written(attempts: list[Attempt]) -> None:
    assert attempts_of(attempts_text(attempts)) == tuple(attempts)


@given(ATTEMPTS, st.sampled_from([ARRAY, GANG]), st.text(min_size=1))
def test_a_name_is_legal_and_tells_the_attempts_if_they_are_a_range(
    attempts: list[Attempt], kind: Kind, step: str
) -> None:
    jobs = [job(*attempt, step=step) for attempt in attempts]

    name = job_name(kind, jobs)
    told = parse_job_name(name)

    assert LEGAL.fullmatch(name)
    assert name.startswith(prefix_of("0a1b2c3d", 7))
    assert told is not None
    assert (told.owner, told.run, told.kind, told.first, told.size) == (
        "0a1b2c3d",
        7,
        kind,
        attempts[0],
        len(attempts),
    )
    assert not told.is_range or told.attempts() == tuple(attempts)


def test_names_are_always_the_same_and_differ_where_attempts_do() -> None:
    lone = job_name(ONE, [job(5, 2)])
    arrays = [job_name(ARRAY, [job(5), job(second)]) for second in (6, 7, 7)]

    assert lone == "af-0a1b2c3d-7-s5-2-work"
    assert arrays[0] == "af-0a1b2c3d-7-a5-0-2-r-work"
    assert arrays[1] == arrays[2] != arrays[0]


@pytest.mark.parametrize(
    "name", ["", "af", "other-1", "af-x", "af-0a1b2c3d-7", "af-0a1b2c3d-x-s1-0", "my-af-1-2-s3-4"]
)
def test_others_names_are_none_of_ours(name: str) -> None:
    assert parse_job_name(name) is None


def test_one_runs_names_do_not_begin_like_anothers() -> None:
    assert not job_name(ONE, [job(5)]).startswith(prefix_of("0a1b2c3d", 70))
    assert not prefix_of("0a1b2c3d", 71).startswith(prefix_of("0a1b2c3d", 7))


def test_tags_are_legal_whatever_names_are() -> None:
    tags = tags_of(ARRAY, [job(5, step="schön", user="a;b"), job(9, 1)])

    assert tags["asyncflow/step"] == "sch_n"
    assert tags["asyncflow/user"] == "a_b"
    assert tags["asyncflow/task"] == "5.0_9.1"
    assert tags["asyncflow/attempt"] == "0 1"
    assert len(legal_tag("x" * 1000)) == 256

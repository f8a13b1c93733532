"""How attempts become jobs."""

from __future__ import annotations

import re

import pytest

from asyncflow.backends.remote.flights import job_name, size_of
from asyncflow.backends.remote.platform import Gang, Size
from asyncflow.machine.ids import Attempt, Frame
from tests.unit.backends.remote.given import ordering, task


def test_attempts_of_a_step_are_asked_for_together_in_order() -> None:
    specs = [task(5), task(3, "train"), task(2), task(4), task(2, attempt=1)]

    batches = [[spec.attempt for spec in batch] for batch in ordering().batches(specs, 3)]

    assert batches == [[Attempt(2, 0), Attempt(2, 1), Attempt(4, 0)], [Attempt(5, 0)], [Attempt(3, 0)]]


def test_a_gang_is_kept_whole_and_apart() -> None:
    gangs = {"train": "split"}
    specs = [task(number, "train", frames=(Frame(number % 2, 0),)) for number in range(2, 12)]

    batches = [[spec.attempt.task for spec in batch] for batch in ordering(gangs=gangs).batches(specs, 3)]

    assert sorted(batches) == [[2, 4, 6, 8, 10], [3, 5, 7, 9, 11]]


def test_jobs_stand_in_the_order_of_the_spec_object() -> None:
    jobs = ordering().jobs([task(2), task(3), task(2, attempt=1)], "s3://b/runs/7/specs/x")

    assert [(job.index, job.attempt) for job in jobs] == [(0, (2, 0)), (1, (3, 0)), (2, (2, 1))]
    assert {job.command for job in jobs} == {("run", "work", "s3://b/runs/7/specs/x")}
    assert {(job.run, job.flow, job.user, job.owner, job.gang) for job in jobs} == {
        (7, "F", "ada", "0badcafe", None)
    }
    assert len({job.name for job in jobs}) == 3


def test_members_of_a_gang_know_each_other() -> None:
    specs = [task(number, "train", index=number - 2, width=3, frames=(Frame(9, 0),)) for number in (2, 3, 4)]

    jobs = ordering(gangs={"train": "split"}).jobs(specs, "url")

    assert [job.gang for job in jobs] == [Gang(9, 3, 0), Gang(9, 3, 1), Gang(9, 3, 2)]


def test_memory_grows_with_its_factor_from_the_usual_where_none_was_asked_for() -> None:
    given = ordering({"work": Size(memory_mb=100, cpu=2)})

    (grown,) = given.jobs([task(2, memory_factor=4.0)], "url")
    (usual,) = ordering({"work": Size()}).jobs([task(2, memory_factor=4.0)], "url")

    assert grown.size == Size(memory_mb=400, cpu=2)
    assert usual.size == Size(memory_mb=4096 * 4.0)


def test_what_is_of_this_machine_is_not_told_to_workers() -> None:
    told = ordering().run_for_workers

    assert (told.store_root, told.flow_file) == ("", "")
    assert told.run == 7


@pytest.mark.parametrize("step", ["work", "a" * 200, "Über_Schritt", "___", "train_model_2"])
def test_names_are_labels_of_dns_and_tell_attempts_apart(step: str) -> None:
    names = {
        job_name("0badcafe", 123_456, step, Attempt(task, number)) for task in (1, 11) for number in (0, 1)
    }

    assert len(names) == 4
    for name in names:
        assert re.fullmatch(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", name), name


def test_names_of_long_numbers_are_still_labels() -> None:
    name = job_name("0badcafe", 10**11, "step", Attempt(10**11, 10**6))

    assert len(name) <= 63


def test_of_decorator_and_resources_the_larger_counts() -> None:
    size = size_of(
        {"cpu": "2", "memory": 100, "gpu": None}, {"cpu": 1, "memory": 4000, "gpu": None, "disk": None}
    )

    assert size == Size(cpu=2, memory_mb=4000)
    assert size_of({"cpu": True, "memory": "lots"}, {}) == Size()

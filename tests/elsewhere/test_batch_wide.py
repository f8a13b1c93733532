"""Wide runs in AWS Batch, told by whole `asyncflow run`s: what they ask for, and that they outlive their scheduler.

ASYNCFLOW_WIDE=1000 python -m pytest tests/elsewhere/test_batch_wide.py -s -k thousand     the figures, in full width
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.elsewhere import hands
from tests.elsewhere.aws import alive, going, jobs, keys, machine_at, twice
from tests.elsewhere.hands import Folder
from tests.services.batch import handle
from tests.services.batch.handle import Batch

FLOW = str(Path(__file__).parent / "flows" / "wide.py")
WIDTH = int(os.environ.get("ASYNCFLOW_WIDE", "200"))
IN_FLIGHT = 200
TO_LOOK = ("batch:DescribeJobs", "batch:ListJobs")
TO_SUBMIT = ("batch:SubmitJob", "batch:RegisterJobDefinition", "batch:DescribeJobDefinitions")


@pytest.fixture
def wide(aws: str) -> Iterator[Batch]:
    """A queue for thousands, whose jobs are run by hands."""
    with handle.batch(aws, hands.RUNS, max_vcpus=10_000) as given:
        yield given


@pytest.mark.wide
@pytest.mark.timeout(300)
def test_a_thousand_tasks_take_few_requests_and_little_of_the_scheduler(wide: Batch, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "folder")
    folder.allow(WIDTH)
    machine = machine_at(tmp_path / "here", wide, WIDTH=str(WIDTH), FOLDER=str(folder.path))
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()

    said = machine.run("run", FLOW, within_s=280)

    took_s, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_ms = 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / WIDTH
    calls = wide.calls()
    to_submit = sum(calls.get(action, 0) for action in TO_SUBMIT)
    to_look = sum(calls.get(action, 0) for action in TO_LOOK)
    polls = calls["batch:DescribeJobs"]  # the one array is described once in each
    print(  # noqa: T201 - figures
        f"\n{WIDTH} tasks in {took_s:.1f} s: {to_submit / WIDTH:.4f} calls a task to submit, "
        f"{to_look / polls / WIDTH:.4f} a task and poll to look ({polls} polls), {cpu_ms:.2f} ms of CPU a task\n{calls}"
    )
    assert f"the total is {WIDTH * (WIDTH - 1)}" in said
    assert (len(folder.ran()), twice(folder.ran())) == (WIDTH, [])
    assert to_submit <= 0.1 * WIDTH
    assert to_look <= 0.05 * WIDTH * polls
    assert len(jobs(wide)) == 1, "one array"


@pytest.mark.wide
@pytest.mark.timeout(300)
@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_two_hundred_jobs_outlive_their_scheduler(wide: Batch, tmp_path: Path, where: str) -> None:
    folder = Folder(tmp_path / "folder")
    folder.allow(40)
    given = {"WIDTH": str(IN_FLIGHT), "FOLDER": str(folder.path)}
    first = machine_at(tmp_path / "here", wide, **given)
    with going(first, "run", FLOW) as dies:
        wide.wait_until(lambda: len(folder.ran()) >= 40, "some have ended, all are in flight", within_s=90)
        wide.wait_until(
            lambda: len(keys(wide, "runs/1/results/")) >= 30, "their results are there", within_s=60
        )
        dies.kill()
        dies.communicate()
    folder.allow(90)
    wide.wait_until(
        lambda: len(keys(wide, "runs/1/results/")) >= 90, "more end while nobody watches", within_s=60
    )
    [array] = alive(wide)

    second = first if where == "here" else machine_at(tmp_path / "elsewhere", wide, **given)
    with going(second, "resume", "1") as goes_on:
        wide.wait_until(lambda: wide.calls().get("batch:DescribeJobs"), "it is looked for the jobs")
        folder.allow(IN_FLIGHT)
        said, _ = goes_on.communicate(timeout=200)

    assert goes_on.returncode == 0, said
    assert f"the total is {IN_FLIGHT * (IN_FLIGHT - 1)}" in said
    assert [job["jobId"] for job in jobs(wide)] == [array], "nothing was submitted again"
    assert (len(folder.ran()), twice(folder.ran())) == (IN_FLIGHT, []), "nothing was run twice or not at all"
    assert len(keys(wide, "runs/1/claims/")) == len(keys(wide, "runs/1/results/")) == IN_FLIGHT
    assert alive(wide) == [], "nothing lives on"

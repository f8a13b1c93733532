"""Wide runs in pods, told by whole `asyncflow run`s: what they ask for, and that they outlive their scheduler.

ASYNCFLOW_WIDE=1000 python -m pytest tests/elsewhere/test_pods_wide.py -s -k few     the figures, in full width
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.elsewhere import hands
from tests.elsewhere.aws import going, twice
from tests.elsewhere.hands import Folder
from tests.elsewhere.pods import keys, machine_for, pods
from tests.elsewhere.story import Machine
from tests.services.kube.faults import wait_until
from tests.services.kube.fixture import Kube, Server, fresh_namespace, serve

FLOW = str(Path(__file__).parent / "flows" / "wide.py")
WIDTH = int(os.environ.get("ASYNCFLOW_WIDE", "200"))
IN_FLIGHT = 200


@pytest.fixture(scope="module")
def handy() -> Iterator[Server]:
    """A cluster whose pods are run by hands."""
    with serve("--mode", "noop", "--noop-call", hands.RUNS_PODS) as server:
        yield server


@pytest.fixture
def wide(handy: Server, tmp_path: Path) -> Iterator[Kube]:
    """A namespace of it that nobody has used."""
    with fresh_namespace(handy, tmp_path / "kube") as given:
        yield given


def machine_of(folder: Path, kube: Kube, aws: str, bucket: str, *, width: int, meets: Folder) -> Machine:
    given = {"PLACE": "kubernetes", "WIDTH": str(width), "FOLDER": str(meets.path)}
    return machine_for(folder, kube, aws, bucket, ASYNCFLOW_KUBERNETES_QPS="10000", **given)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_many_pods_take_few_requests_and_little_of_the_scheduler(
    wide: Kube, aws: str, bucket: str, tmp_path: Path
) -> None:
    folder = Folder(tmp_path / "folder")
    folder.allow(WIDTH)
    machine = machine_of(tmp_path / "here", wide, aws, bucket, width=WIDTH, meets=folder)
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()

    said = machine.run("run", FLOW, within_s=280)

    took_s, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_ms = 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / WIDTH
    calls = wide.faults.calls()
    watches = calls["watch", "pods"] + calls["list", "pods"]
    print(  # noqa: T201 - figures
        f"\n{WIDTH} tasks in {took_s:.1f} s: {sum(calls.values()) / WIDTH:.3f} calls a task, {watches} of them to list "
        f"and watch, {cpu_ms:.2f} ms of CPU a task with the start of the command and the steps here\n{calls}"
    )
    assert f"the total is {WIDTH * (WIDTH - 1)}" in said
    assert (len(folder.ran()), twice(folder.ran())) == (WIDTH, [])
    assert calls["create", "pods"] == WIDTH
    assert calls["get", "pods"] == 0, "none is asked for by itself"
    assert watches <= 6, "one list, one watch, and what a slow machine adds"
    assert sum(calls.values()) <= 4 * WIDTH + watches
    assert pods(wide) == []


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_two_hundred_pods_outlive_their_scheduler(
    wide: Kube, aws: str, bucket: str, tmp_path: Path, where: str
) -> None:
    folder = Folder(tmp_path / "folder")
    folder.allow(40)
    first = machine_of(tmp_path / "here", wide, aws, bucket, width=IN_FLIGHT, meets=folder)
    with going(first, "run", FLOW) as dies:
        wait_until(lambda: len(keys(aws, bucket, "1/results/")) >= 30, "some have ended", 90)
        wait_until(lambda: wide.faults.calls()["create", "pods"] == IN_FLIGHT, "all are in flight", 30)
        dies.kill()
        dies.communicate()
    folder.allow(90)
    wait_until(lambda: len(keys(aws, bucket, "1/results/")) >= 90, "more end while nobody watches", 60)
    left = pods(wide)
    assert len(left) >= IN_FLIGHT - 90

    second = (
        first
        if where == "here"
        else machine_of(tmp_path / "elsewhere", wide, aws, bucket, width=IN_FLIGHT, meets=folder)
    )
    wide.faults.forget_calls()
    with going(second, "resume", "1") as goes_on:
        wait_until(lambda: wide.faults.calls()["list", "pods"] > 0, "it is looked for the pods", 60)
        folder.allow(IN_FLIGHT)
        said, _ = goes_on.communicate(timeout=200)

    assert goes_on.returncode == 0, said
    assert f"the total is {IN_FLIGHT * (IN_FLIGHT - 1)}" in said
    assert wide.faults.calls()["create", "pods"] == 0, "nothing was asked for again"
    assert (len(folder.ran()), twice(folder.ran())) == (IN_FLIGHT, []), "nothing was run twice or not at all"
    assert len(keys(aws, bucket, "1/claims/")) == len(keys(aws, bucket, "1/results/")) == IN_FLIGHT
    assert pods(wide) == [], "nothing lives on"

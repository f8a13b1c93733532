"""A thousand pods by one `asyncflow run`: what they cost the scheduler, and what they cost the server."""

from __future__ import annotations

import os

import pytest

from tests.elsewhere.pods import Pods, flow

WIDTH = 1000
MOST_CPU_S = 0.005
"""Of the whole scheduler, its start and its children included, for each task."""


@pytest.mark.wide
@pytest.mark.timeout(300)
def test_a_thousand_pods_cost_little_cpu_and_few_calls(wide: Pods) -> None:
    machine = wide.machine()

    process = machine.start(
        "run",
        flow("pods_wide"),
        "--width",
        str(WIDTH),
        "--max-workers",
        str(WIDTH),
        "--max-num-splits",
        str(WIDTH),
    )
    assert process.stdout is not None
    with process.stdout:
        said = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    calls = wide.kube.faults.calls()
    cpu_s = (used.ru_utime + used.ru_stime) / WIDTH

    print(f"\n{1000 * cpu_s:.2f} ms of CPU a task, {sum(calls.values()) / WIDTH:.3f} calls")  # noqa: T201 - figures
    assert process.returncode == 0, said[-3000:]
    assert f"joined {WIDTH}" in said
    assert calls["create", "pods"] == WIDTH
    assert calls["get", "pods"] == 0, "no pod is asked after"
    assert calls["watch", "pods"] + calls["list", "pods"] <= 6, "one of each, and what a slow machine adds"
    assert sum(calls.values()) <= 4 * WIDTH
    assert cpu_s <= MOST_CPU_S, f"{1000 * cpu_s:.2f} ms of CPU a task"
    assert len(wide.keys("/claims/")) == WIDTH
    assert wide.left() == []

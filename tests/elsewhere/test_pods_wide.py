"""A thousand pods by one `asyncflow run`: what they cost the server; in figures (`-s`) what they cost the scheduler.

On a quiet machine of 2026 that is 4 ms of CPU a task, the scheduler's start and its children included; on the same
machine in a slow hour it is twice that, so it is no assertion.
"""

from __future__ import annotations

import os

import pytest

from tests.elsewhere.pods import Pods, flow

WIDTH = 1000


@pytest.mark.wide
@pytest.mark.timeout(300)
def test_a_thousand_pods_cost_few_calls(wide: Pods) -> None:
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
    assert len(wide.keys("/claims/")) == WIDTH
    assert wide.left() == []

"""A thousand pods: what they cost the server in requests and us in CPU."""

from __future__ import annotations

import asyncio
import time

import pytest

from asyncflow.backends.remote.platform import EndReason
from tests.integration.kubernetes.story import job, opened, timing
from tests.services.kube.fixture import Kube

WIDTH = 1000
MOST_CPU_S = 0.005
"""Of the scheduler, for each task."""


@pytest.mark.wide
@pytest.mark.timeout(180)
async def test_a_thousand_pods_cost_few_requests_and_little_cpu(
    kube_noop: Kube, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASYNCFLOW_KUBERNETES_QPS", "10000")  # the server is ours alone
    jobs = [job(task, index=task) for task in range(1, WIDTH + 1)]
    async with opened(kube_noop, times=timing(linger_s=1.0)) as (platform, listener):
        begin = time.process_time()
        assert await platform.submit(jobs) == []
        async with asyncio.timeout(120):
            ended = await listener.ended(*range(1, WIDTH + 1))
        cpu_s = (time.process_time() - begin) / WIDTH
        await asyncio.sleep(0)
    assert all(one.end is not None and one.end.reason is EndReason.SUCCEEDED for one in ended)
    assert len(listener.told) <= 4 * WIDTH
    calls = kube_noop.faults.calls()
    of_pods = {verb: count for (verb, resource), count in calls.items() if resource == "pods"}
    assert of_pods["create"] == WIDTH
    assert of_pods["watch"] + of_pods["list"] <= 6  # one list, one watch, and what a slow machine adds
    assert of_pods.get("get", 0) == 0
    assert sum(calls.values()) <= 4 * WIDTH
    assert cpu_s <= MOST_CPU_S  # 0.9 ms, measured

"""A driver is killed with many pods in flight; the next one takes them up."""

from __future__ import annotations

import subprocess
import sys

import pytest

from asyncflow.backends.remote.platform import EndReason, Phase
from asyncflow.machine.ids import Attempt
from tests.integration.kubernetes.story import job, opened, wait_no_pods
from tests.services.kube.fixture import ROOT, Kube

WIDTH = 60


@pytest.mark.wide
@pytest.mark.timeout(180)
async def test_no_pod_is_asked_for_again_none_is_lost_and_none_is_left(kube: Kube) -> None:
    module = "tests.integration.kubernetes.to_be_killed"
    command = [sys.executable, "-m", module, str(kube.config), kube.namespace, str(WIDTH)]
    driver = subprocess.Popen(  # noqa: ASYNC220 - it is there when the test begins
        command, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert driver.stdout is not None
    assert driver.stdout.readline() == "submitted\n"
    driver.kill()
    driver.wait()
    driver.stdout.close()

    attempts = [Attempt(task, 0) for task in range(1, WIDTH + 1)]
    async with opened(kube) as (platform, listener):
        found = {one.attempt: one for one in await platform.find(attempts)}
        assert sorted(found) == attempts
        # A driver that is not sure asks again: that makes no second pod.
        assert await platform.submit([job(one.task) for one in attempts]) == []
        late = [one for one in attempts if one.task % 2 and found[one].phase is not Phase.ENDED]
        await listener.ended(*(one.task for one in late))
        await platform.stop(attempts, force=True)
        stopped = await listener.ended(*(one.task for one in attempts if one.task % 2 == 0))
    ended = [one for one in found.values() if one.phase is Phase.ENDED] + listener.told
    reasons = {one.attempt.task: one.end.reason for one in ended if one.end is not None}
    assert {reason for task, reason in reasons.items() if task % 2} == {EndReason.SUCCEEDED}
    assert {one.end.reason for one in stopped if one.end} == {EndReason.STOPPED}
    assert kube.faults.calls()["create", "pods"] == WIDTH
    assert kube.faults.calls()["list", "pods"] <= 2 + 1
    await wait_no_pods(kube)

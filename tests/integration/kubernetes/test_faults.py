"""What goes wrong between us and the API server: nothing is lost, nothing runs twice. Each fault is seen to fire."""

from __future__ import annotations

import asyncio

import pytest

from asyncflow.backends.remote.platform import EndReason
from asyncflow.errors import PlatformError
from tests.integration.kubernetes.story import job, opened, pods, timing
from tests.services.kube.fixture import Kube


async def test_an_answer_lost_after_create_makes_no_second_pod(kube: Kube) -> None:
    fault = kube.faults.lose_answer(resources=["pods"], times=2)
    async with opened(kube) as (platform, listener):
        assert await platform.submit([job(1), job(2), job(3)]) == []
        ended = await listener.ended(1, 2, 3)
    assert fault.fired == 2
    assert [one.end.reason for one in ended if one.end] == [EndReason.SUCCEEDED] * 3
    assert all(len(listener.ends(task)) == 1 for task in (1, 2, 3))


async def test_a_dropped_request_is_sent_again(kube: Kube) -> None:
    fault = kube.faults.drop(verbs=["create"], resources=["pods"], times=3)
    async with opened(kube) as (platform, listener):
        await platform.submit([job(1)])
        await listener.ended(1)
    assert fault.fired == 3


@pytest.mark.parametrize("code", [429, 500, 503, 504])
async def test_a_storm_is_sat_out(kube: Kube, code: int) -> None:
    async with opened(kube) as (platform, listener):
        fault = kube.faults.refuse(code, verbs=["create"], resources=["pods"], times=None, seconds=1.5)
        assert await platform.submit([job(task) for task in range(1, 11)]) == []
        await listener.ended(*range(1, 11))
    assert fault.fired >= 1
    assert kube.faults.calls()["create", "pods"] < 200  # it was not hammered


async def test_retry_after_is_heeded(kube: Kube) -> None:
    async with opened(kube) as (platform, listener):
        fault = kube.faults.refuse(429, verbs=["create"], resources=["pods"], retry_after_s=1)
        begin = asyncio.get_running_loop().time()
        await platform.submit([job(1)])
        assert asyncio.get_running_loop().time() - begin >= 1
        await listener.ended(1)
    assert fault.fired == 1


async def test_a_version_that_is_gone_is_listed_again(kube: Kube) -> None:
    async with opened(kube) as (platform, listener):
        await platform.submit([job(1, "sleep 1")])
        await listener.running(1)
        fault = kube.faults.gone(namespace=kube.namespace)
        await listener.ended(1)
        await platform.submit([job(2)])
        await listener.ended(2)
    assert fault.fired == 1
    assert kube.faults.calls()["list", "pods"] == 2
    assert len(listener.ends(1)) == 1


async def test_a_watch_that_is_silent_is_not_believed(kube: Kube) -> None:
    async with opened(kube, times=timing(silence_s=1.5)) as (platform, listener):
        await platform.submit([job(1, "sleep 1")])
        await listener.running(1)
        fault = kube.faults.silence(60, namespace=kube.namespace)
        await asyncio.to_thread(fault.wait)
        await listener.ended(1)
    assert fault.fired == 1
    assert kube.faults.calls()["list", "pods"] == 2


async def test_a_watch_that_breaks_in_a_line_goes_on(kube: Kube) -> None:
    async with opened(kube) as (platform, listener):
        await platform.submit([job(1, "sleep 0.5")])
        await listener.running(1)
        fault = kube.faults.cut(namespace=kube.namespace)
        await listener.ended(1)
        await platform.submit([job(2)])
        await listener.ended(2)
    assert fault.fired == 1
    assert len(listener.ends(1)) == 1


async def test_a_list_that_fails_is_asked_again(kube: Kube) -> None:
    fault = kube.faults.refuse(503, verbs=["list", "watch"], resources=["pods"], times=3)
    async with opened(kube) as (platform, listener):
        await platform.submit([job(1)])
        await listener.ended(1)
    assert fault.fired == 3


async def test_a_pod_removed_while_nobody_watched_is_lost(kube: Kube) -> None:
    async with opened(kube, times=timing(silence_s=1.5)) as (platform, listener):
        await platform.submit([job(1, "sleep 60")])
        await listener.running(1)
        fault = kube.faults.silence(60, namespace=kube.namespace)
        await asyncio.to_thread(fault.wait)
        await asyncio.to_thread(kube.kubectl, "delete", "pod", job(1).name, "--grace-period=0", "--force")
        (ended,) = await listener.ended(1)
    assert ended.end is not None
    assert ended.end.reason is EndReason.LOST


async def test_credentials_that_expire_are_read_anew(kube: Kube) -> None:
    kube.server.kubeconfig(kube.config, kube.namespace, "old")
    await asyncio.to_thread(kube.faults.accept_tokens, "old")
    async with opened(kube) as (platform, listener):
        await platform.submit([job(1)])
        await listener.ended(1)
        kube.server.kubeconfig(kube.config, kube.namespace, "new")
        await asyncio.to_thread(kube.faults.accept_tokens, "new")
        await platform.submit([job(2, "sleep 0.2")])
        await listener.ended(2)


async def test_credentials_that_stay_refused_end_the_run_in_words_and_leave_the_pods(kube: Kube) -> None:
    kube.server.kubeconfig(kube.config, kube.namespace, "old")
    await asyncio.to_thread(kube.faults.accept_tokens, "old")
    async with opened(kube, times=timing(silence_s=1.0, outage_s=2.0)) as (platform, listener):
        await platform.submit([job(1, "sleep 20")])
        await listener.running(1)
        await asyncio.to_thread(kube.faults.accept_tokens, "new")
        await asyncio.to_thread(kube.faults.cut, namespace=kube.namespace)
        failure = await listener.failed()
        assert isinstance(failure, PlatformError)
        assert "credentials" in str(failure) or "Unauthorized" in str(failure)
        with pytest.raises(PlatformError):
            await platform.submit([job(2)])
    kube.faults.clear()
    assert len(await pods(kube)) == 1  # a resume finds it


async def test_a_server_that_refuses_the_watch_says_so(kube: Kube) -> None:
    async with opened(kube) as (platform, listener):
        kube.faults.refuse(403, verbs=["list"], resources=["pods"], times=None)
        await platform.submit([job(1)])
        assert "cannot be watched" in str(await listener.failed())

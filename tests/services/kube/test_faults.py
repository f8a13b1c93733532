"""Every fault that can be ordered happens as it was ordered, and tells that it fired."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import aiohttp
import pytest
from kubernetes_asyncio import client

from tests.services.kube.fixture import Kube, fresh_namespace, serve
from tests.services.kube.objects import Object, condition_of
from tests.services.kube.orders import Trouble
from tests.services.kube.story import ended_with, pod, version_of, wait_gone, wait_log, wait_pod, watched

SLEEP = "trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done"


async def make(kube: Kube, api: Any, name: str, script: str = "true", **more: Any) -> Any:
    return await client.CoreV1Api(api).create_namespaced_pod(kube.namespace, pod(name, script, **more))


async def refusal(asked: Any) -> client.ApiException:
    with pytest.raises(client.ApiException) as refused:
        await asked
    return refused.value


async def names(kube: Kube, api: Any) -> list[str]:
    found = await client.CoreV1Api(api).list_namespaced_pod(kube.namespace)
    return [one.metadata.name for one in found.items]


async def test_an_answer_is_lost_though_the_pod_is_made(kube: Kube) -> None:
    fault = kube.faults.lose_answer(resources=["pods"])
    async with kube.client() as api:
        with pytest.raises(aiohttp.ClientError):
            await make(kube, api, "one")
        assert fault.fired == 1
        again = await refusal(make(kube, api, "one"))
        assert (again.status, "AlreadyExists" in again.body) == (409, True)
        assert await names(kube, api) == ["one"]


async def test_a_dropped_request_does_nothing(kube: Kube) -> None:
    fault = kube.faults.drop(verbs=["create"], pattern="^one$")
    async with kube.client() as api:
        await make(kube, api, "other")
        with pytest.raises(aiohttp.ClientError):
            await make(kube, api, "one")
        assert await names(kube, api) == ["other"]
    assert fault.fired == 1


@pytest.mark.parametrize(
    ("code", "reason"),
    [(403, "Forbidden"), (409, "Conflict"), (500, "InternalError"), (503, "ServiceUnavailable")],
)
async def test_requests_are_refused_so_many_times(kube: Kube, code: int, reason: str) -> None:
    fault = kube.faults.refuse(code, verbs=["create"], resources=["pods"], times=2)
    async with kube.client() as api:
        for _ in range(2):
            refused = await refusal(make(kube, api, "one"))
            assert (refused.status, f'"reason": "{reason}"' in refused.body) == (code, True)
        await make(kube, api, "one")
    assert fault.fired == 2


async def test_too_many_requests_says_when_to_come_again(kube: Kube) -> None:
    fault = kube.faults.refuse(429, retry_after_s=7, skip=1)
    async with kube.client() as api:
        await names(kube, api)
        refused = await refusal(names(kube, api))
    assert refused.status == 429
    assert refused.headers["Retry-After"] == "7"
    assert fault.fired == 1


async def test_a_storm_passes(kube: Kube) -> None:
    fault = kube.faults.refuse(503, resources=["pods"], seconds=0.5)
    refused = 0
    async with kube.client() as api, asyncio.timeout(10):
        while True:
            try:
                await names(kube, api)
                break
            except client.ApiException:
                refused += 1
    assert fault.fired == refused > 1


async def test_a_delayed_request_is_answered_late(kube: Kube) -> None:
    fault = kube.faults.delay(0.3, verbs=["list"])
    loop = asyncio.get_running_loop()
    async with kube.client() as api:
        began = loop.time()
        await names(kube, api)
        assert loop.time() - began >= 0.3
    assert fault.fired == 1


async def test_expired_credentials_are_refused_until_there_are_new_ones(tmp_path: Any) -> None:
    with (
        serve("--mode", "noop", "--token", "old") as server,
        fresh_namespace(server, tmp_path, "old") as kube,
    ):
        async with kube.client() as api:
            await names(kube, api)
            kube.faults.accept_tokens("new")
            assert (await refusal(names(kube, api))).status == 401
            server.kubeconfig(kube.config, kube.namespace, "new")
        async with kube.client() as api:
            await names(kube, api)


async def test_what_is_denied_is_told_before_and_when_asked(kube: Kube) -> None:
    kube.faults.deny(verbs=["create"], resources=["pods"], namespaces=[kube.namespace])
    review = {
        "spec": {"resourceAttributes": {"verb": "create", "resource": "pods", "namespace": kube.namespace}}
    }
    async with kube.client() as api:
        told = await client.AuthorizationV1Api(api).create_self_subject_access_review(review)
        refused = await refusal(make(kube, api, "one"))
        kube.faults.clear()
        again = await client.AuthorizationV1Api(api).create_self_subject_access_review(review)
    assert (told.status.allowed, again.status.allowed) == (False, True)
    assert refused.status == 403
    assert "cannot create resource" in refused.body


async def test_a_namespace_that_is_not_there(kube: Kube) -> None:
    async with kube.client() as api:
        v1 = client.CoreV1Api(api)
        refused = await refusal(v1.create_namespaced_pod("nowhere", pod("one")))
        assert (refused.status, 'namespaces \\"nowhere\\" not found' in refused.body) == (404, True)
        fault = kube.faults.no_namespace(kube.namespace)
        assert (await refusal(make(kube, api, "one"))).status == 404
    assert fault.fired == 1


# --- watches


async def next_event(events: Any, *kinds: str) -> tuple[str, Object]:
    async with asyncio.timeout(10):
        async for kind, item in events:
            if not kinds or kind in kinds:
                return kind, item
    raise AssertionError("the watch ended")


async def test_a_watch_is_gone_and_a_list_brings_all_again(kube_noop: Kube) -> None:
    kube = kube_noop
    async with kube.client() as api:
        v1 = client.CoreV1Api(api)
        old = (await v1.list_namespaced_pod(kube.namespace)).metadata.resource_version
        await make(kube, api, "one", metadata={"annotations": {"noop/seconds": "600"}})
        async with aclosing(watched(kube, api, version=old)) as events:
            assert (await next_event(events))[0] == "ADDED"
            fault = kube.faults.gone()
            with pytest.raises(client.ApiException) as gone:
                await next_event(events, "DELETED")
        assert gone.value.status == 410
        assert fault.fired == 1
        with pytest.raises(client.ApiException) as still:
            await next_event(watched(kube, api, version=old))
        assert still.value.status == 410
        fresh = await v1.list_namespaced_pod(kube.namespace)
        assert [one.metadata.name for one in fresh.items] == ["one"]
        async with aclosing(watched(kube, api, version=fresh.metadata.resource_version)) as events:
            await v1.delete_namespaced_pod("one", kube.namespace, grace_period_seconds=0)
            assert (await next_event(events, "DELETED"))[1]["metadata"]["name"] == "one"


async def test_a_silent_watch_tells_all_when_it_goes_on(kube_noop: Kube) -> None:
    kube = kube_noop
    async with kube.client() as api:
        await make(kube, api, "zero")
        await wait_pod(kube, api, "zero")
        async with aclosing(watched(kube, api)) as events:
            await next_event(events)
            fault = kube.faults.silence(0.7)
            fault.wait()
            loop = asyncio.get_running_loop()
            began = loop.time()
            await make(kube, api, "one")
            ended = await wait_pod(kube, api, "one")  # by a watch of its own
            assert loop.time() - began < 0.7
            phases = []
            while "Succeeded" not in phases:
                phases.append((await next_event(events))[1]["status"]["phase"])
            assert loop.time() - began > 0.5
    assert phases == ["Pending", "Pending", "Running", "Succeeded"]
    assert ended["status"]["phase"] == "Succeeded"


@pytest.mark.parametrize("how", ["cut", "silent"])
async def test_a_watch_is_cut(kube_noop: Kube, how: str) -> None:
    kube = kube_noop
    async with kube.client() as api:
        await make(kube, api, "one")
        url = f"{kube.url}/api/v1/namespaces/{kube.namespace}/pods?watch=1"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            await answer.content.readline()
            fault = kube.faults.cut() if how == "cut" else kube.faults.silence(0.1, then="cut")
            with pytest.raises(aiohttp.ClientError):
                await answer.content.read()
    assert fault.fired == 1


# --- pods


async def started(kube: Kube, api: Any, name: str) -> Object:
    await make(kube, api, name, SLEEP)
    running = await wait_pod(kube, api, name, ("Running",))
    await wait_log(kube, api, name, "ready\n")
    return running


async def test_a_pod_is_evicted(kube: Kube) -> None:
    async with kube.client() as api:
        await started(kube, api, "one")
        fault = kube.faults.pod(Trouble.EVICTED, "^one$")
        ended = await wait_pod(kube, api, "one")
    assert fault.fired == 1
    assert (ended["status"]["phase"], ended["status"]["reason"]) == ("Failed", "Evicted")
    condition = condition_of(ended, "DisruptionTarget")
    assert condition is not None
    assert condition["reason"] == "TerminationByKubelet"


async def test_a_spot_node_shuts_down_under_a_pod(kube: Kube) -> None:
    fault = kube.faults.pod(Trouble.SHUT_DOWN, "^one$")
    async with kube.client() as api:
        await make(kube, api, "one", SLEEP)
        ended = await wait_pod(kube, api, "one")
    assert fault.fired == 1
    assert ended["status"]["reason"] == "Terminated"
    assert "node shutdown" in ended["status"]["message"]


async def test_a_pod_makes_room_for_another(kube: Kube) -> None:
    async with kube.client() as api:
        running = await started(kube, api, "one")
        fault = kube.faults.pod(Trouble.PREEMPTED, "^one$")
        seen = await wait_gone(kube, api, "one", version_of(running))
    assert fault.fired == 1
    condition = condition_of(seen[-1], "DisruptionTarget")
    assert condition is not None
    assert condition["reason"] == "PreemptionByScheduler"
    assert ended_with(seen[-1])["exitCode"] == 0  # it had its grace


@pytest.mark.parametrize("then", ["deleted", "failed"])
async def test_a_pods_node_is_lost(kube: Kube, then: str) -> None:
    async with kube.client() as api:
        running = await started(kube, api, "one")
        fault = kube.faults.pod(Trouble.NODE_LOST, "^one$", then=then)
        if then == "deleted":
            last = (await wait_gone(kube, api, "one", version_of(running)))[-1]
            condition = condition_of(last, "DisruptionTarget")
            assert condition is not None
            assert condition["reason"] == "DeletionByTaintManager"
        else:
            last = await wait_pod(kube, api, "one")
            assert (last["status"]["phase"], last["status"]["reason"]) == ("Failed", "NodeLost")
    assert fault.fired == 1
    assert "running" in last["status"]["containerStatuses"][0]["state"]  # nobody could tell more


async def test_a_node_is_lost_with_all_its_pods_and_comes_back(kube: Kube) -> None:
    async with kube.client() as api:
        v1 = client.CoreV1Api(api)
        await started(kube, api, "one")
        try:
            assert kube.faults.lose_node("node-1", then="failed") >= 1
            lost = await wait_pod(kube, api, "one")
            node = await v1.read_node("node-1")
            await make(kube, api, "two")
            other = await wait_pod(kube, api, "two")
        finally:
            kube.faults.restore_node("node-1")
        await make(kube, api, "three")
        back = await wait_pod(kube, api, "three")
    assert lost["status"]["reason"] == "NodeLost"
    assert next(one.status for one in node.status.conditions if one.type == "Ready") == "Unknown"
    assert other["spec"]["nodeName"] == "node-2"
    assert back["spec"]["nodeName"] == "node-1"


async def test_a_container_is_killed_for_its_memory(kube: Kube) -> None:
    fault = kube.faults.pod(Trouble.OOM_KILLED, "^one$", after_s=0.05)
    async with kube.client() as api:
        await make(kube, api, "one", SLEEP)
        ended = await wait_pod(kube, api, "one")
    assert fault.fired == 1
    assert (ended_with(ended)["exitCode"], ended_with(ended)["reason"]) == (137, "OOMKilled")
    assert ended["status"]["phase"] == "Failed"


async def test_a_fault_that_comes_too_late_has_not_fired(kube: Kube) -> None:
    fault = kube.faults.pod(Trouble.EVICTED, "^one$", after_s=60)
    async with kube.client() as api:
        await make(kube, api, "one")
        assert (await wait_pod(kube, api, "one"))["status"]["phase"] == "Succeeded"
    assert fault.fired == 0


async def test_an_image_cannot_be_pulled_and_then_can(kube: Kube) -> None:
    fault = kube.faults.no_image("missing:1")
    async with kube.client() as api:
        await make(kube, api, "one", container={"image": "missing:1"})
        reasons: list[str] = []
        async for _, item in watched(kube, api):
            state = item["status"].get("containerStatuses", [{}])[0].get("state", {})
            reasons.append(state.get("waiting", {}).get("reason", ""))
            if reasons[-1] == "ImagePullBackOff":
                break
        fired = fault.fired
        kube.faults.clear()
        ended = await wait_pod(kube, api, "one")
        events = await client.CoreV1Api(api).list_namespaced_event(
            kube.namespace, field_selector="involvedObject.name=one,reason=Failed"
        )
    assert "ErrImagePull" in reasons
    assert ended["status"]["phase"] == "Succeeded"
    assert "not found" in events.items[0].message
    assert fired >= 1


async def test_a_pod_is_never_scheduled(kube: Kube) -> None:
    fault = kube.faults.pod(Trouble.NOT_SCHEDULED, "^one$")
    async with kube.client() as api:
        await make(kube, api, "one")
        fault.wait()
        async for _, item in watched(kube, api):
            condition = condition_of(item, "PodScheduled")
            if condition is not None:
                break
    assert (condition["status"], condition["reason"]) == ("False", "Unschedulable")

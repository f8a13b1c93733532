"""Lists and watches: versions, bookmarks, selectors, pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from kubernetes_asyncio import client

from tests.services.kube.fixture import Kube
from tests.services.kube.objects import Object
from tests.services.kube.story import pod, watched


async def make_config(kube: Kube, api: Any, name: str, **labels: str) -> Any:
    body = {"metadata": {"name": name, "labels": labels}, "data": {"x": name}}
    return await client.CoreV1Api(api).create_namespaced_config_map(kube.namespace, body)


async def take(events: AsyncIterator[tuple[str, Object]], count: int) -> list[tuple[str, str]]:
    """Return the next events that are no bookmarks: type and name."""
    taken: list[tuple[str, str]] = []
    async with asyncio.timeout(10):
        while len(taken) < count:
            kind, item = await anext(events)
            if kind != "BOOKMARK":
                taken.append((kind, item["metadata"]["name"]))
    return taken


async def maps(kube: Kube, api: Any, **query: Any) -> AsyncIterator[tuple[str, Object]]:
    from kubernetes_asyncio import watch

    v1 = client.CoreV1Api(api)
    async with watch.Watch() as stream:
        async for event in stream.stream(
            v1.list_namespaced_config_map, kube.namespace, timeout_seconds=20, **query
        ):
            yield event["type"], event["raw_object"]


async def test_a_watch_from_a_version_tells_what_came_after(kube_noop: Kube) -> None:
    kube = kube_noop
    async with kube.client() as api:
        v1 = client.CoreV1Api(api)
        await make_config(kube, api, "before")
        version = (await v1.list_namespaced_config_map(kube.namespace)).metadata.resource_version
        await make_config(kube, api, "after")
        await v1.patch_namespaced_config_map("before", kube.namespace, {"data": {"x": "2"}})
        await v1.delete_namespaced_config_map("after", kube.namespace)
        async with aclosing(maps(kube, api, resource_version=version)) as events:
            assert await take(events, 3) == [("ADDED", "after"), ("MODIFIED", "before"), ("DELETED", "after")]


async def test_a_watch_without_a_version_begins_with_what_there_is(kube_noop: Kube) -> None:
    kube = kube_noop
    async with kube.client() as api:
        await make_config(kube, api, "one")
        async with aclosing(
            maps(kube, api, label_selector="!absent", field_selector="metadata.name!=kube-root-ca.crt")
        ) as events:
            assert await take(events, 1) == [("ADDED", "one")]
            await make_config(kube, api, "two")
            assert await take(events, 1) == [("ADDED", "two")]


async def test_an_object_enters_and_leaves_what_is_selected(kube_noop: Kube) -> None:
    kube = kube_noop
    async with kube.client() as api:
        v1 = client.CoreV1Api(api)
        async with aclosing(maps(kube, api, label_selector="mine in (yes, maybe)")) as events:
            next_one = asyncio.create_task(take(events, 3))
            await make_config(kube, api, "one", mine="no")
            for mine in ("yes", "maybe", "no"):
                await v1.patch_namespaced_config_map(
                    "one", kube.namespace, {"metadata": {"labels": {"mine": mine}}}
                )
            assert await next_one == [("ADDED", "one"), ("MODIFIED", "one"), ("DELETED", "one")]


async def test_a_bookmark_brings_a_quiet_watch_past_a_compaction(kube_noop: Kube) -> None:
    kube = kube_noop
    async with kube.client() as api:
        v1 = client.CoreV1Api(api)
        listed = await v1.list_namespaced_pod(kube.namespace)
        old = listed.metadata.resource_version
        await make_config(kube, api, "elsewhere")  # a change that the watch of pods does not tell
        async with aclosing(watched(kube, api, version=old, bookmarks=True)) as events, asyncio.timeout(10):
            async for kind, item in events:
                assert kind == "BOOKMARK"
                told = item["metadata"]["resourceVersion"]
                if int(told) > int(old):
                    break
        kube.faults.compact()
        await v1.create_namespaced_pod(kube.namespace, pod("one"))
        with pytest.raises(client.ApiException) as gone:
            await anext(watched(kube, api, version=old))
        assert gone.value.status == 410
        async with aclosing(watched(kube, api, version=told)) as events:
            assert await take(events, 1) == [("ADDED", "one")]


async def test_a_watch_ends_when_its_time_is_up(kube_noop: Kube) -> None:
    kube = kube_noop
    import aiohttp

    url = f"{kube.url}/api/v1/namespaces/{kube.namespace}/pods?watch=true&timeoutSeconds=1"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert await answer.content.read() == b""


async def test_a_list_comes_in_pages_of_one_version(kube_noop: Kube) -> None:
    kube = kube_noop
    async with kube.client() as api:
        v1 = client.CoreV1Api(api)
        for name in ("a", "b", "c", "d", "e"):
            await make_config(kube, api, name, page="yes")
        pages, token, versions = [], None, set()
        while token != "":
            more = {"_continue": token} if token else {}
            page = await v1.list_namespaced_config_map(kube.namespace, label_selector="page", limit=2, **more)
            pages.append([one.metadata.name for one in page.items])
            versions.add(page.metadata.resource_version)
            if token is None:
                await v1.delete_namespaced_config_map("e", kube.namespace)
            token = page.metadata._continue or ""
        assert pages == [["a", "b"], ["c", "d"], ["e"]]
        assert len(versions) == 1


async def test_pages_are_forgotten(kube_noop: Kube) -> None:
    kube = kube_noop
    async with kube.client() as api:
        v1 = client.CoreV1Api(api)
        for name in ("a", "b"):
            await make_config(kube, api, name)
        page = await v1.list_namespaced_config_map(kube.namespace, limit=1)
        kube.faults.compact()
        with pytest.raises(client.ApiException) as gone:
            await v1.list_namespaced_config_map(kube.namespace, limit=1, _continue=page.metadata._continue)
    assert gone.value.status == 410


async def test_a_change_of_an_old_version_is_refused(kube_noop: Kube) -> None:
    kube = kube_noop
    async with kube.client() as api:
        v1 = client.CoreV1Api(api)
        first = await make_config(kube, api, "one")
        await v1.patch_namespaced_config_map("one", kube.namespace, {"data": {"x": "2"}})
        with pytest.raises(client.ApiException) as refused:
            await v1.replace_namespaced_config_map("one", kube.namespace, first)
        assert (refused.value.status, '"reason": "Conflict"' in refused.value.body) == (409, True)
        first.metadata.resource_version = None
        assert (await v1.replace_namespaced_config_map("one", kube.namespace, first)).data == {"x": "one"}


async def test_a_deletion_with_a_precondition_spares_another_object(kube_noop: Kube) -> None:
    kube = kube_noop
    async with kube.client() as api:
        v1 = client.CoreV1Api(api)
        await make_config(kube, api, "one")
        body = {"preconditions": {"uid": "another"}}
        with pytest.raises(client.ApiException) as refused:
            await v1.delete_namespaced_config_map("one", kube.namespace, body=body)
        assert refused.value.status == 409
        await v1.read_namespaced_config_map("one", kube.namespace)


async def test_a_selection_is_deleted_at_once(kube_noop: Kube) -> None:
    kube = kube_noop
    async with kube.client() as api:
        v1 = client.CoreV1Api(api)
        for name, mine in (("one", "yes"), ("two", "yes"), ("three", "no")):
            body = pod(name, metadata={"labels": {"mine": mine}})
            await v1.create_namespaced_pod(kube.namespace, body)
        await v1.delete_collection_namespaced_pod(
            kube.namespace, label_selector="mine=yes", grace_period_seconds=0
        )
        left = await v1.list_namespaced_pod(kube.namespace)
    assert [one.metadata.name for one in left.items] == ["three"]
    assert kube.faults.calls()["deletecollection", "pods"] == 1


async def test_a_status_is_patched_apart(kube_noop: Kube) -> None:
    kube = kube_noop
    async with kube.client() as api:
        v1 = client.CoreV1Api(api)
        body = pod("one", metadata={"annotations": {"noop/seconds": "600"}})
        await v1.create_namespaced_pod(kube.namespace, body)
        patch = {"status": {"message": "seen"}, "metadata": {"labels": {"not": "changed"}}}
        told = await v1.patch_namespaced_pod_status("one", kube.namespace, patch)
    assert told.status.message == "seen"
    assert not told.metadata.labels

"""What the tests of the server say often."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from kubernetes_asyncio import client, watch

from tests.services.kube.fixture import Kube
from tests.services.kube.objects import Object

ENDED = ("Succeeded", "Failed")
_WAIT_S = 20


def pod(name: str, script: str = "true", **spec: Any) -> Object:
    """Return a pod that runs a script once; `spec` adds to its spec, `container` to its container."""
    container = {
        "name": "main",
        "image": "python:3.11",
        "command": ["sh", "-c", script],
        **spec.pop("container", {}),
    }
    metadata = {"name": name, **spec.pop("metadata", {})}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"restartPolicy": "Never", "containers": [container], **spec},
    }


async def watched(
    kube: Kube, api: Any, *, version: str = "", bookmarks: bool = False, labels: str = "", fields: str = ""
) -> AsyncGenerator[tuple[str, Any], None]:
    """Yield the events of the namespace's pods as the client's own watch gives them: type and raw object."""
    v1 = client.CoreV1Api(api)
    more = {"resource_version": version} if version else {}
    async with watch.Watch() as stream:
        events = stream.stream(
            v1.list_namespaced_pod,
            kube.namespace,
            allow_watch_bookmarks=bookmarks,
            label_selector=labels,
            field_selector=fields,
            timeout_seconds=_WAIT_S,
            **more,
        )
        async for event in events:
            yield event["type"], event["raw_object"]


async def wait_pod(kube: Kube, api: Any, name: str, phases: tuple[str, ...] = ENDED) -> Object:
    """Wait until a pod is in one of these phases; return it."""
    async with asyncio.timeout(_WAIT_S):
        async with aclosing(watched(kube, api, fields=f"metadata.name={name}")) as events:
            async for kind, item in events:
                if kind != "DELETED" and item["status"].get("phase") in phases:
                    return item
    raise AssertionError(f"the watch ended before {name} was {phases}")


async def wait_gone(kube: Kube, api: Any, name: str, version: str) -> list[Object]:
    """Wait until a pod is gone, from a version on; return what was seen of it."""
    seen: list[Object] = []
    async with asyncio.timeout(_WAIT_S):
        async with aclosing(watched(kube, api, version=version, fields=f"metadata.name={name}")) as events:
            async for kind, item in events:
                seen.append(item)
                if kind == "DELETED":
                    return seen
    raise AssertionError(f"the watch ended before {name} was gone")


def version_of(item: Object) -> str:
    """Return the version of an object."""
    return str(item["metadata"]["resourceVersion"])


async def run_pod(kube: Kube, api: Any, item: Object) -> Object:
    """Make a pod, wait for its end, return it."""
    v1: Any = client.CoreV1Api(api)  # Any: it takes mappings too
    await v1.create_namespaced_pod(kube.namespace, item)
    return await wait_pod(kube, api, item["metadata"]["name"])


async def wait_log(kube: Kube, api: Any, name: str, text: str) -> None:
    """Wait until a pod has written a line."""
    v1: Any = client.CoreV1Api(api)  # Any: the answer unread, which its annotations do not know
    response = await v1.read_namespaced_pod_log(name, kube.namespace, follow=True, _preload_content=False)
    async with asyncio.timeout(_WAIT_S):
        async for line in response.content:
            if line == text.encode():
                response.close()
                return
    raise AssertionError(f"{name} ended before it wrote {text!r}")


def ended_with(item: Object) -> Object:
    """Return how a pod's first container ended."""
    ended: Object = item["status"]["containerStatuses"][0]["state"]["terminated"]
    return ended

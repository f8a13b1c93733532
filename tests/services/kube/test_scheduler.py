"""Which node a pod gets, and what is said of one that gets none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes_asyncio import client

from tests.services.kube.fixture import Kube, fresh_namespace, serve
from tests.services.kube.objects import Object, condition_of
from tests.services.kube.story import pod, wait_pod, watched

NODES = (
    "small,cpu=1,memory=1Gi,pods=2,label.size=small",
    "gpu,cpu=4,memory=8Gi,nvidia.com/gpu=1,label.size=big,taint.nvidia.com/gpu=present:NoSchedule",
)
STAYS = {"annotations": {"noop/seconds": "600"}}
TOLERATES = [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    with serve("--mode", "noop", *(word for node in NODES for word in ("--node", node))) as started:
        yield started


@pytest.fixture
def kube(server: Any, tmp_path: Path) -> Iterator[Kube]:
    with fresh_namespace(server, tmp_path) as given:
        yield given


def asks(name: str, cpu: str, gpu: str = "", **spec: Any) -> Object:
    limits = {"cpu": cpu, **({"nvidia.com/gpu": gpu} if gpu else {})}
    return pod(name, metadata=STAYS, container={"resources": {"limits": limits}}, **spec)


async def placed(kube: Kube, api: Any, item: Object) -> str:
    """Return the node that a pod got, or why it got none."""
    await client.CoreV1Api(api).create_namespaced_pod(kube.namespace, item)
    name = item["metadata"]["name"]
    async for _, found in watched(kube, api, fields=f"metadata.name={name}"):
        condition = condition_of(found, "PodScheduled")
        if condition is not None:
            return str(found["spec"].get("nodeName") or condition["message"])
    raise AssertionError("the watch ended")


async def test_room_selectors_and_taints_decide(kube: Kube) -> None:
    async with kube.client() as api:
        v1 = client.CoreV1Api(api)
        assert await placed(kube, api, asks("first", "600m")) == "small"
        taint = "1 node(s) had untolerated taint {nvidia.com/gpu: present}"
        assert await placed(kube, api, asks("second", "600m")) == (
            f"0/2 nodes are available: 1 Insufficient cpu, {taint}."
        )
        assert await placed(kube, api, asks("big", "1", "1", tolerations=TOLERATES)) == "gpu"
        third = asks("third", "1", "1", tolerations=TOLERATES, nodeSelector={"size": "big"})
        assert await placed(kube, api, third) == (
            "0/2 nodes are available: 1 Insufficient nvidia.com/gpu, "
            "1 node(s) didn't match Pod's node affinity/selector."
        )
        await v1.delete_namespaced_pod("first", kube.namespace, grace_period_seconds=0)
        second = await wait_pod(kube, api, "second", ("Running",))
        assert second["spec"]["nodeName"] == "small"
        events = await v1.list_namespaced_event(kube.namespace, field_selector="involvedObject.name=third")
        assert [(one.type, one.reason) for one in events.items] == [("Warning", "FailedScheduling")]


async def test_a_missing_claim_is_waited_for(kube: Kube) -> None:
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "late"}}]
    claim = {
        "metadata": {"name": "late"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    async with kube.client() as api:
        v1 = client.CoreV1Api(api)
        told = await placed(kube, api, pod("one", volumes=volumes))
        assert 'persistentvolumeclaim "late" not found' in told
        made = await v1.create_namespaced_persistent_volume_claim(kube.namespace, claim)
        assert made.status.phase == "Bound"
        await wait_pod(kube, api, "one", ("Succeeded",))

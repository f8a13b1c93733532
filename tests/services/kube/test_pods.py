"""Pods as kubernetes-asyncio sees them: what they run, what they find, how they end."""

from __future__ import annotations

import asyncio
import base64

import pytest
from kubernetes_asyncio import client

from tests.services.kube.fixture import Kube
from tests.services.kube.story import (
    ENDED,
    ended_with,
    pod,
    run_pod,
    version_of,
    wait_gone,
    wait_log,
    wait_pod,
    watched,
)


async def test_a_pod_runs_its_command_and_tells_how_it_ended(kube: Kube) -> None:
    script = "echo out; echo err >&2; printf why > /dev/termination-log; exit 3"
    async with kube.client() as api:
        ended = await run_pod(kube, api, pod("one", script))
        log = await client.CoreV1Api(api).read_namespaced_pod_log("one", kube.namespace)
    assert ended["status"]["phase"] == "Failed"
    assert ended["spec"]["nodeName"] == "node-1"
    told = ended_with(ended)
    assert (told["exitCode"], told["reason"], told["message"]) == (3, "Error", "why")
    assert log == "out\nerr\n"


async def test_a_pod_finds_its_environment_and_its_volumes(kube: Kube) -> None:
    async with kube.client() as api:
        v1 = client.CoreV1Api(api)
        secret = {"metadata": {"name": "keys"}, "stringData": {"token": "s3cret", "other": "x"}}
        await v1.create_namespaced_secret(kube.namespace, secret)
        await v1.create_namespaced_config_map(
            kube.namespace, {"metadata": {"name": "conf"}, "data": {"A_B": "1"}}
        )
        container = {
            "env": [
                {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token"}}},
                {"name": "ME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
                {"name": "BOTH", "value": "$(ME)-$(TOKEN)"},
            ],
            "envFrom": [{"prefix": "C_", "configMapRef": {"name": "conf"}}],
            "resources": {"limits": {"cpu": "1500m"}},
            "volumeMounts": [
                {"name": "scratch", "mountPath": "/kubetest/scratch"},
                {"name": "keys", "mountPath": "/kubetest/keys"},
            ],
        }
        script = (
            "echo $BOTH $CPU $C_A_B; cd /kubetest/scratch; echo there > file; "
            "cat file /kubetest/keys/token; ls /kubetest/keys"
        )
        volumes = [{"name": "scratch", "emptyDir": {}}, {"name": "keys", "secret": {"secretName": "keys"}}]
        await run_pod(kube, api, pod("one", script, container=container, volumes=volumes))
        log = await v1.read_namespaced_pod_log("one", kube.namespace)
    assert log == "one-s3cret 2 1\nthere\ns3cret" + "other\ntoken\n"


async def test_a_deleted_pod_gets_sigterm_and_its_grace(kube: Kube) -> None:
    script = "trap 'echo asked; exit 9' TERM; echo ready; while :; do sleep 0.05; done"
    async with kube.client() as api:
        v1 = client.CoreV1Api(api)
        await v1.create_namespaced_pod(kube.namespace, pod("one", script))
        running = await wait_pod(kube, api, "one", ("Running",))
        await wait_log(kube, api, "one", "ready\n")
        told = await v1.delete_namespaced_pod("one", kube.namespace, grace_period_seconds=20)
        seen = await wait_gone(kube, api, "one", version_of(running))
    assert told.metadata.deletion_timestamp is not None
    assert ended_with(seen[-1])["exitCode"] == 9


async def test_who_ignores_sigterm_is_killed(kube: Kube) -> None:
    script = "trap '' TERM; echo ready; while :; do sleep 0.05; done"
    async with kube.client() as api:
        v1 = client.CoreV1Api(api)
        await v1.create_namespaced_pod(kube.namespace, pod("one", script))
        running = await wait_pod(kube, api, "one", ("Running",))
        await wait_log(kube, api, "one", "ready\n")
        await v1.delete_namespaced_pod("one", kube.namespace, grace_period_seconds=1)
        seen = await wait_gone(kube, api, "one", version_of(running))
    assert ended_with(seen[-1])["exitCode"] == 137


async def test_a_missing_secret_is_waited_for(kube: Kube) -> None:
    container = {"envFrom": [{"secretRef": {"name": "late"}}]}
    async with kube.client() as api:
        v1 = client.CoreV1Api(api)
        await v1.create_namespaced_pod(kube.namespace, pod("one", "test $X = 1", container=container))
        async for _, item in watched(kube, api):
            status = item["status"].get("containerStatuses", [{}])[0].get("state", {}).get("waiting", {})
            if status.get("reason") == "CreateContainerConfigError":
                assert 'secret "late" not found' in status["message"]
                break
        await v1.create_namespaced_secret(
            kube.namespace, {"metadata": {"name": "late"}, "stringData": {"X": "1"}}
        )
        ended = await wait_pod(kube, api, "one")
    assert ended["status"]["phase"] == "Succeeded"


async def test_a_command_that_is_not_there_is_told(kube: Kube) -> None:
    async with kube.client() as api:
        ended = await run_pod(kube, api, pod("one", container={"command": ["/no/such/thing"]}))
    told = ended_with(ended)
    assert (told["exitCode"], told["reason"]) == (128, "StartError")
    assert "/no/such/thing" in told["message"]


@pytest.mark.slow
async def test_a_thousand_pods_pass_in_seconds(kube_noop: Kube) -> None:
    kube = kube_noop
    before = cpu_seconds(kube.server.pid)
    ended: set[str] = set()

    async def count(api: object) -> None:
        async for _, item in watched(kube, api, bookmarks=True):
            if item.get("status", {}).get("phase") in ENDED:
                ended.add(item["metadata"]["name"])
            if len(ended) == 1000:
                return

    async with kube.client() as api, asyncio.TaskGroup() as group, asyncio.timeout(30):
        group.create_task(count(api))
        await create_many(kube, api, 1000)
    assert len(ended) == 1000
    assert kube.faults.calls()["create", "pods"] == 1000
    spent = cpu_seconds(kube.server.pid) - before
    assert spent < 10  # 0.8 when this was written


async def create_many(kube: Kube, api: object, count: int) -> None:
    import json

    import aiohttp

    text = json.dumps(
        pod("NAME", container={"env": [{"name": f"V{n}", "value": "x" * 20} for n in range(10)]})
    )
    url = f"{kube.url}/api/v1/namespaces/{kube.namespace}/pods"
    async with aiohttp.ClientSession() as session:

        async def create(numbers: range) -> None:
            for number in numbers:
                data = text.replace("NAME", f"pod-{number}")
                async with session.post(
                    url, data=data, headers={"Content-Type": "application/json"}
                ) as answer:
                    assert answer.status == 201

        async with asyncio.TaskGroup() as group:
            for first in range(10):
                group.create_task(create(range(first, count, 10)))


def cpu_seconds(pid: int) -> float:
    import os
    from pathlib import Path

    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def test_secrets_are_kept_encoded(kube: Kube) -> None:
    async with kube.client() as api:
        v1 = client.CoreV1Api(api)
        await v1.create_namespaced_secret(
            kube.namespace, {"metadata": {"name": "k"}, "stringData": {"a": "b"}}
        )
        kept = await v1.read_namespaced_secret("k", kube.namespace)
    assert base64.b64decode(kept.data["a"]) == b"b"

"""Pods as kubernetes-asyncio sees them: what they run, what they find, how they end."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from pathlib import Path

import aiohttp
import pytest
from kubernetes_asyncio import client

from tests.services.kube.fixture import Kube, fresh_namespace, serve
from tests.services.kube.objects import Object, condition_of
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


async def test_init_containers_come_first_and_containers_run_together(kube: Kube) -> None:
    mounts = {"volumeMounts": [{"name": "v", "mountPath": "/kubetest/v"}]}
    wait = "while ! test -e /kubetest/v/{}; do sleep 0.02; done"
    item = pod("one", f"touch /kubetest/v/a; {wait.format('b')}; echo a", container=mounts)
    item["spec"]["volumes"] = [{"name": "v", "emptyDir": {}}]
    first = item["spec"]["containers"][0]
    other = f"cat /kubetest/v/before; touch /kubetest/v/b; {wait.format('a')}; echo b"
    item["spec"]["containers"].append({**first, "name": "other", "command": ["sh", "-c", other]})
    before = {**first, "name": "before", "command": ["sh", "-c", "echo was >> /kubetest/v/before"]}
    item["spec"]["initContainers"] = [before]
    async with kube.client() as api:
        v1 = client.CoreV1Api(api)
        ended = await run_pod(kube, api, item)
        logs = [
            await v1.read_namespaced_pod_log("one", kube.namespace, container=c) for c in ("main", "other")
        ]
        with pytest.raises(client.ApiException) as refused:
            await v1.read_namespaced_pod_log("one", kube.namespace)
    assert ended["status"]["phase"] == "Succeeded"
    assert ended["status"]["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 0
    assert logs == ["a\n", "was\nb\n"]
    assert "choose one of: [main other before]" in refused.value.body


async def test_a_crashing_container_is_started_again_and_its_last_words_are_kept(kube: Kube) -> None:
    async with kube.client() as api:
        v1 = client.CoreV1Api(api)
        item = pod("one", "echo run; exit 1", restartPolicy="Always")
        await v1.create_namespaced_pod(kube.namespace, item)
        async for _, found in watched(kube, api):
            status = found["status"].get("containerStatuses", [{}])[0]
            if status.get("restartCount", 0) >= 2 and "waiting" in status["state"]:
                break
        assert status["state"]["waiting"]["reason"] == "CrashLoopBackOff"
        assert status["lastState"]["terminated"]["exitCode"] == 1
        assert await v1.read_namespaced_pod_log("one", kube.namespace, previous=True) == "run\n"
        await v1.delete_namespaced_pod("one", kube.namespace)
        await wait_gone(kube, api, "one", version_of(found))


async def test_a_pod_is_evicted_by_request(kube: Kube) -> None:
    async with kube.client() as api:
        v1 = client.CoreV1Api(api)
        await v1.create_namespaced_pod(kube.namespace, pod("one", "exec sleep 600"))
        running = await wait_pod(kube, api, "one", ("Running",))
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "one"}}
        await v1.create_namespaced_pod_eviction("one", kube.namespace, eviction)
        last = (await wait_gone(kube, api, "one", version_of(running)))[-1]
    condition = condition_of(last, "DisruptionTarget")
    assert condition is not None
    assert condition["reason"] == "EvictionByEvictionAPI"
    assert ended_with(last)["exitCode"] == 143


async def test_a_quota_refuses_pods(kube_noop: Kube) -> None:
    async with kube_noop.client() as api:
        v1 = client.CoreV1Api(api)
        quota = {"metadata": {"name": "small"}, "spec": {"hard": {"requests.cpu": "1500m"}}}
        await v1.create_namespaced_resource_quota(kube_noop.namespace, quota)
        stays = {"annotations": {"noop/seconds": "600"}}
        wants = {"resources": {"requests": {"cpu": "1"}}}
        with pytest.raises(client.ApiException) as vague:
            await v1.create_namespaced_pod(kube_noop.namespace, pod("vague"))
        await v1.create_namespaced_pod(kube_noop.namespace, pod("one", metadata=stays, container=wants))
        with pytest.raises(client.ApiException) as refused:
            await v1.create_namespaced_pod(kube_noop.namespace, pod("two", metadata=stays, container=wants))
    assert (vague.value.status, "must specify requests.cpu" in vague.value.body) == (403, True)
    assert refused.value.status == 403
    assert (
        "requested: requests.cpu=1, used: requests.cpu=1, limited: requests.cpu=1500m" in refused.value.body
    )


async def test_a_function_is_called_in_place_of_a_process(tmp_path: Path) -> None:
    call = "tests.services.kube.test_pods:end_as_told"
    with serve("--mode", "noop", "--noop-call", call) as server, fresh_namespace(server, tmp_path) as kube:
        async with kube.client() as api:
            container = {"env": [{"name": "CODE", "value": "5"}]}
            ended = await run_pod(kube, api, pod("one", container=container))
    assert ended_with(ended)["exitCode"] == 5


def end_as_told(item: Object, env: dict[str, str]) -> int:
    assert item["metadata"]["name"] == "one"
    return int(env["CODE"])


@pytest.mark.slow
async def test_a_thousand_pods_pass_in_seconds(kube_noop: Kube) -> None:
    kube = kube_noop
    before = cpu_seconds(kube.server.pid)
    ended: set[str] = set()

    async def count(session: aiohttp.ClientSession) -> None:
        url = f"{kube.url}/api/v1/namespaces/{kube.namespace}/pods?watch=1&allowWatchBookmarks=1"
        async with session.get(url) as events:
            async for line in events.content:
                item = json.loads(line)["object"]
                if item.get("status", {}).get("phase") in ENDED:
                    ended.add(item["metadata"]["name"])
                if len(ended) == 1000:
                    return

    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group, asyncio.timeout(30):
        group.create_task(count(session))
        await create_many(kube, session, 1000)
    assert len(ended) == 1000
    assert kube.faults.calls()["create", "pods"] == 1000
    spent = cpu_seconds(kube.server.pid) - before
    assert spent < 10  # 0.8 when this was written


async def create_many(kube: Kube, session: aiohttp.ClientSession, count: int) -> None:
    text = json.dumps(
        pod("NAME", container={"env": [{"name": f"V{n}", "value": "x" * 20} for n in range(10)]})
    )
    url = f"{kube.url}/api/v1/namespaces/{kube.namespace}/pods"

    async def create(numbers: range) -> None:
        for number in numbers:
            data = text.replace("NAME", f"pod-{number}")
            async with session.post(url, data=data, headers={"Content-Type": "application/json"}) as answer:
                assert answer.status == 201

    async with asyncio.TaskGroup() as group:
        for first in range(10):
            group.create_task(create(range(first, count, 10)))


def cpu_seconds(pid: int) -> float:
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

"""Pods in real containers: their file system, their limits of memory, their signals."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes_asyncio import client

from tests.services.kube.fixture import Kube, fresh_namespace, serve
from tests.services.kube.story import ended_with, pod, run_pod, version_of, wait_gone, wait_log, wait_pod

needed = pytest.importorskip("tests.services.needed", reason="it tells where a container engine is")


# podman is optional on our machines; where it is up, it is held to the same.
ENGINES = ("docker", "podman") if needed.environment("podman") else ("docker",)


@pytest.fixture(scope="module", params=ENGINES)
def server(request: pytest.FixtureRequest) -> Iterator[Any]:
    environment = needed.require(request.param)
    with serve("--mode", request.param, environment=environment) as started:
        yield started


@pytest.fixture
def kube(server: Any, tmp_path: Path) -> Iterator[Kube]:
    with fresh_namespace(server, tmp_path) as given:
        yield given


async def test_a_container_has_its_own_file_system_and_reads_this_machines(kube: Kube) -> None:
    script = (
        "echo $HOSTNAME $A; echo kept > /data/file; cat /data/file; test ! -e /data/secret && cat /keys/token; "
        "touch /usr/kubetest 2>/dev/null; python -c 'print(6 * 7)'; "
        "printf told > /dev/termination-log; exit 3"
    )
    container = {
        "env": [{"name": "A", "value": "a b"}],
        "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "keys", "mountPath": "/keys"}],
    }
    volumes = [{"name": "data", "emptyDir": {}}, {"name": "keys", "secret": {"secretName": "keys"}}]
    async with kube.client() as api:
        v1 = client.CoreV1Api(api)
        secret = {"metadata": {"name": "keys"}, "stringData": {"token": "s3cret\n"}}
        await v1.create_namespaced_secret(kube.namespace, secret)
        ended = await run_pod(kube, api, pod("one", script, container=container, volumes=volumes))
        log = await v1.read_namespaced_pod_log("one", kube.namespace)
    assert log == "one a b\nkept\ns3cret\n42\n"
    assert (ended_with(ended)["exitCode"], ended_with(ended)["message"]) == (3, "told")
    assert not on_this_machine("/usr/kubetest", "/data")


def on_this_machine(*paths: str) -> list[str]:
    return [path for path in paths if Path(path).exists()]


async def test_the_kernel_kills_who_takes_too_much_memory(kube: Kube) -> None:
    hungry = f"exec {sys.executable} -c 'x = bytearray(400 << 20); print(len(x))'"
    container = {"resources": {"limits": {"memory": "64Mi"}}}
    async with kube.client() as api:
        ended = await run_pod(kube, api, pod("one", hungry, container=container))
    assert ended["status"]["phase"] == "Failed"
    assert (ended_with(ended)["exitCode"], ended_with(ended)["reason"]) == (137, "OOMKilled")


async def test_a_deleted_container_gets_sigterm_then_the_end(kube: Kube) -> None:
    polite = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done"
    deaf = "trap '' TERM; echo ready; while :; do sleep 0.05; done"
    async with kube.client() as api:
        v1 = client.CoreV1Api(api)
        codes = []
        for name, script in (("polite", polite), ("deaf", deaf)):
            await v1.create_namespaced_pod(kube.namespace, pod(name, script))
            running = await wait_pod(kube, api, name, ("Running",))
            await wait_log(kube, api, name, "ready\n")
            await v1.delete_namespaced_pod(name, kube.namespace, grace_period_seconds=1)
            codes.append(ended_with((await wait_gone(kube, api, name, version_of(running)))[-1])["exitCode"])
    assert codes == [9, 137]


async def test_a_command_that_is_not_there_is_told(kube: Kube) -> None:
    async with kube.client() as api:
        ended = await run_pod(kube, api, pod("one", container={"command": ["/no/such/thing"]}))
    assert ended_with(ended)["reason"] == "StartError"
    assert "no such file" in ended_with(ended)["message"].lower()

"""Before a run: what is wrong with the configuration is said at once, in one message that names it."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from asyncflow.backends.kubernetes.errors import BadConnection, BadOption, BadTemplate, ClusterError
from asyncflow.backends.kubernetes.provider import PROVIDER, KubernetesProvider
from asyncflow.backends.remote.platform import Size
from asyncflow.backends.remote.provider import Finding, PlatformContext, StepRequest
from asyncflow.flow.decorators.compute import Kubernetes
from asyncflow.records import replace
from tests.integration.kubernetes.story import context, job, opened, pods, timing, wait_no_pods
from tests.services.kube.fixture import ROOT, Kube


async def opening(given: PlatformContext) -> None:
    async with KubernetesProvider().open(given, timing=timing(open_s=1.0)):
        pass


def step(size: Size | None = None, *, gang: bool = False, **options: object) -> StepRequest:
    size = size or Size(cpu=1.0, memory_mb=100.0, disk_mb=100.0)
    given = Kubernetes(**options).attributes()  # type: ignore[arg-type]
    return StepRequest(step="train", options=given, size=size, gang=gang, where="flow.py:3")


def changed(kube: Kube, **changes: object) -> None:
    """Change the kubeconfig."""
    values = yaml.safe_load(kube.config.read_text())
    values.update(changes)
    kube.config.write_text(yaml.safe_dump(values))


async def test_without_a_kubeconfig(kube: Kube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nowhere"))
    with pytest.raises(BadConnection, match=r"There is no kubeconfig at .*nowhere") as refused:
        await opening(replace(context(kube), settings={}))
    assert "KUBECONFIG=" in refused.value.hint


async def test_a_kubeconfig_is_found_by_its_variable(kube: Kube, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(kube.config))
    await opening(replace(context(kube), settings={}))


async def test_with_an_unknown_context(kube: Kube) -> None:
    with pytest.raises(BadConnection, match="no context 'prod'") as refused:
        await opening(context(kube, kube_context="prod"))
    assert "It has: test" in refused.value.hint


async def test_without_a_current_context(kube: Kube) -> None:
    changed(kube, **{"current-context": ""})
    with pytest.raises(BadConnection, match="no current context"):
        await opening(context(kube))


@pytest.mark.parametrize("text", ["a: [", "just text", "{contexts: [{name: test}], current-context: test}"])
async def test_with_a_kubeconfig_that_is_none(kube: Kube, text: str) -> None:
    kube.config.write_text(text)
    with pytest.raises(BadConnection, match="cannot be used"):
        await opening(context(kube))


async def test_with_a_plug_in_that_fails(kube: Kube) -> None:
    plug_in = {"apiVersion": "client.authentication.k8s.io/v1", "command": "false"}
    changed(kube, users=[{"name": "tester", "user": {"exec": plug_in}}])
    with pytest.raises(BadConnection, match="exec: process returned 1"):
        await opening(context(kube))


async def test_with_credentials_of_a_plug_in(kube: Kube) -> None:
    await asyncio.to_thread(kube.faults.accept_tokens, "from-plug-in")
    kind = '{"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1", '
    plug_in = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "echo",
        "args": [kind + '"status": {"token": "from-plug-in"}}'],
    }
    changed(kube, users=[{"name": "tester", "user": {"exec": plug_in}}])
    await opening(context(kube))


async def test_with_a_server_that_does_not_answer(kube: Kube) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    changed(kube, clusters=[{"name": "test", "cluster": {"server": f"http://127.0.0.1:{port}"}}])
    with pytest.raises(ClusterError, match=f"127.0.0.1:{port}"):
        await opening(context(kube))


async def test_with_credentials_that_are_refused(kube: Kube) -> None:
    await asyncio.to_thread(kube.faults.accept_tokens, "another")
    with pytest.raises(BadConnection, match=r"the credentials of context test .* are refused") as refused:
        await opening(context(kube))
    assert "Log in" in refused.value.hint


async def test_with_a_namespace_that_is_not_there(kube: Kube) -> None:
    with pytest.raises(BadConnection, match=r"There is no namespace nowhere") as refused:
        await opening(context(kube, namespace="nowhere"))
    assert "kubectl create namespace nowhere" in refused.value.hint


async def test_without_permissions(kube: Kube) -> None:
    kube.faults.deny(verbs=["create", "watch"], resources=["pods"])
    with pytest.raises(BadConnection, match="may not create pods, watch pods"):
        await opening(context(kube))


async def test_with_settings_that_cannot_be(kube: Kube, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadTemplate):
        await opening(context(kube, k8s_template="kind: Service"))
    monkeypatch.setenv("ASYNCFLOW_KUBERNETES_QPS", "fast")
    with pytest.raises(BadOption, match="KUBERNETES_QPS"):
        await opening(context(kube))


async def test_the_template_comes_onto_the_pods(kube: Kube) -> None:
    template = "spec: {priorityClassName: x, containers: [{name: main, env: [{name: EXTRA, value: '1'}]}]}"
    one = job(1, 'test "$EXTRA" = 1; sleep 0.3')
    async with opened(kube, k8s_template=template.replace("priorityClassName: x, ", "")) as (
        platform,
        listener,
    ):
        await platform.submit([one])
        (ended,) = await listener.ended(1)
    assert ended.end is not None
    assert ended.end.exit_code == 0


# doctor


def found(findings: object, what: str) -> list[Finding]:
    assert isinstance(findings, list)
    return [one for one in findings if one.what == what]


async def test_doctor_finds_everything_in_order(kube: Kube) -> None:
    findings = await PROVIDER.examine(context(kube, steps=[step(gang=True)]))
    assert all(one.is_ok for one in findings), findings
    names = [one.what for one in findings]
    assert names == ["credentials", "cluster", "namespace", "permissions", "nodes"]
    assert "create services" in found(findings, "permissions")[0].told


async def test_doctor_says_what_is_missing(kube: Kube) -> None:
    wanting = step(
        service_account="trainer",
        secrets=["keys"],
        image_pull_secrets=["registry"],
        persistent_volume_claims={"data": "/data"},
        node_selector={"disk": "ssd"},
    )
    large = replace(step(Size(cpu=10_000.0, memory_mb=1.0)), step="large")
    findings = await PROVIDER.examine(context(kube, steps=[wanting, large]))
    for kind, name in (
        ("service account", "trainer"),
        ("secret", "keys"),
        ("image pull secret", "registry"),
        ("volume claim", "data"),
    ):
        (finding,) = found(findings, kind)
        assert not finding.is_ok
        assert name in finding.told
        assert finding.hint
    nodes = found(findings, "nodes")
    assert [one.is_ok for one in nodes] == [False, False]
    assert "disk=ssd" in nodes[0].told
    assert "cpu 10000" in nodes[1].told


async def test_doctor_never_raises(kube: Kube, tmp_path: Path) -> None:
    (finding,) = await PROVIDER.examine(context(kube, kubeconfig=str(tmp_path / "nowhere")))
    assert not finding.is_ok
    assert "kubeconfig" in finding.told
    findings = await PROVIDER.examine(context(kube, namespace="nowhere", steps=[step(namespace="nowhere")]))
    (missing,) = found(findings, "namespace")
    assert not missing.is_ok
    (bad,) = await PROVIDER.examine(context(kube, namespace="Not Legal"))
    assert not bad.is_ok
    kube.faults.deny(verbs=["create"], resources=["pods"])
    findings = await PROVIDER.examine(context(kube))
    assert "may not create pods" in found(findings, "permissions")[0].told


# reap


async def test_what_is_left_of_runs_is_listed_and_removed(kube: Kube) -> None:
    from tests.integration.kubernetes.test_gangs import gang

    async with opened(kube) as (platform, listener):
        await platform.submit([job(1, "sleep 60"), job(2, "true"), *gang("sleep 60")])
        await listener.running(1, 20, 21, 22)
        refs = await PROVIDER.jobs(context(kube, run=None))
        mine = [one for one in refs if kube.namespace in one.id]
        assert {one.attempt.task for one in mine} >= {1, 20, 21, 22}
        assert {one.run for one in mine} == {7}
        assert all(one.created_at > 1.7e9 for one in mine)
        assert [one for one in await PROVIDER.jobs(context(kube, run=8)) if kube.namespace in one.id] == []
        ids = [one.id for one in mine]
        await PROVIDER.remove(context(kube, run=None), [*ids, *ids])
        await listener.ended(1, 20, 21, 22)
        await PROVIDER.remove(context(kube, run=None), ids)  # gone already
    await wait_no_pods(kube)


async def test_who_may_not_see_all_namespaces_lists_its_own(kube: Kube) -> None:
    async with opened(kube) as (platform, listener):
        await platform.submit([job(1, "sleep 60")])
        await listener.running(1)
        fault = kube.faults.refuse(403, verbs=["list"], resources=["pods"])
        refs = await PROVIDER.jobs(context(kube, run=7))
        assert [one.attempt.task for one in refs if kube.namespace in one.id] == [1]
    assert fault.fired == 1


async def test_what_has_ended_is_kept_for_its_time_and_swept_by_a_later_run(
    kube: Kube, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METAFLOW_KUBERNETES_JOB_TTL_SECONDS_AFTER_FINISHED", "1")
    async with opened(kube) as (platform, listener):
        await platform.submit([job(1, "true"), job(2, "sleep 60")])
        await listener.ended(1)
        await listener.running(2)
    await asyncio.sleep(2.1)  # its time, in the server's whole seconds
    assert [pod["metadata"]["name"] for pod in await pods(kube)] == [job(1).name]
    async with opened(kube, run=8):
        await wait_no_pods(kube)


def test_the_provider_is_what_the_entry_point_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    module, _, name = project["entry-points"]["asyncflow.backends"]["kubernetes"].partition(":")
    assert getattr(import_module(module), name) is PROVIDER
    assert (PROVIDER.name, PROVIDER.runtime_environment) == ("kubernetes", "kubernetes")
    assert PROVIDER.decorator is Kubernetes


def test_importing_the_provider_is_cheap() -> None:
    code = "import asyncflow.backends.kubernetes.provider, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert [
        name for name in ("kubernetes_asyncio", "aiohttp", "anyio", "asyncio", "yaml") if name in loaded
    ] == []

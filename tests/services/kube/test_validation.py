"""What is refused, and what is filled in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from kubernetes_asyncio import client

from tests.services.kube.fixture import Kube
from tests.services.kube.objects import Object
from tests.services.kube.story import pod


def with_container(**fields: Any) -> Object:
    return pod("one", container=fields)


def resources(**bounds: Any) -> Object:
    return with_container(resources=bounds)


BAD_PODS = {
    "metadata.name": pod("Not_A_Name"),
    "metadata.labels[long]": pod("one", metadata={"labels": {"long": "x" * 64}}),
    "metadata.labels[odd]": pod("one", metadata={"labels": {"odd": "a b"}}),
    "metadata.annotations": pod("one", metadata={"annotations": {"no good key": ""}}),
    "spec.containers": pod("one", containers=[]),
    "spec.restartPolicy": pod("one", restartPolicy="Sometimes"),
    "spec.hostname": pod("one", hostname="a.b"),
    "spec.tolerations[0].operator": pod("one", tolerations=[{"key": "a", "operator": "Maybe"}]),
    "spec.terminationGracePeriodSeconds": pod("one", terminationGracePeriodSeconds=-1),
    "spec.containers[0].name": with_container(name="Main"),
    "spec.containers[0].image": with_container(image=""),
    "spec.containers[0].env[0].name": with_container(env=[{"name": "A=B"}]),
    "spec.containers[0].volumeMounts[0].name": with_container(
        volumeMounts=[{"name": "no", "mountPath": "/x"}]
    ),
    "spec.containers[0].resources.limits[memory]": resources(limits={"memory": "4 GB"}),
    "spec.containers[0].resources.requests": resources(requests={"cpu": "2"}, limits={"cpu": "1"}),
    "spec.containers[0].resources.limits": resources(requests={"nvidia.com/gpu": "1"}),
    "spec.containers[0].resources.limits[nvidia.com/gpu]": resources(limits={"nvidia.com/gpu": "500m"}),
    "spec.containers.0.command": with_container(command="echo"),
    "spec": pod("one", nodeSelectro={}),
}


async def refusal(asked: Any) -> Object:
    with pytest.raises(client.ApiException) as refused:
        await asked
    assert refused.value.status == 422, refused.value.body
    told: Object = json.loads(refused.value.body)
    return told


async def test_what_no_kubernetes_takes_is_refused_at_its_place(kube_noop: Kube) -> None:
    async with kube_noop.client() as api:
        v1 = client.CoreV1Api(api)
        for place, item in BAD_PODS.items():
            told = await refusal(v1.create_namespaced_pod(kube_noop.namespace, item))
            assert place in [cause["field"] for cause in told["details"]["causes"]], told["message"]
            assert told["reason"] == "Invalid"
        assert (await v1.list_namespaced_pod(kube_noop.namespace)).items == []


async def test_a_job_is_checked_with_its_template(kube_noop: Kube) -> None:
    template = pod("one", restartPolicy="Always", containers=[])
    job = {
        "metadata": {"name": "one"},
        "spec": {"completionMode": "Indexed", "backoffLimit": -1, "template": {"spec": template["spec"]}},
    }
    async with kube_noop.client() as api:
        told = await refusal(client.BatchV1Api(api).create_namespaced_job(kube_noop.namespace, job))
    assert {cause["field"] for cause in told["details"]["causes"]} == {
        "spec.backoffLimit",
        "spec.completions",
        "spec.template.spec.containers",
        "spec.template.spec.restartPolicy",
    }


async def test_what_is_not_said_is_filled_in(kube_noop: Kube) -> None:
    item = {"metadata": {"generateName": "some-"}, "spec": {"containers": [{"name": "a", "image": "b"}]}}
    item["spec"]["containers"][0]["resources"] = {"limits": {"cpu": "1", "memory": "1Gi"}}  # type: ignore[index]
    async with kube_noop.client() as api:
        made = await client.CoreV1Api(api).create_namespaced_pod(kube_noop.namespace, item)
    assert len(made.metadata.name) == len("some-") + 5
    assert (made.spec.restart_policy, made.spec.termination_grace_period_seconds) == ("Always", 30)
    assert made.spec.containers[0].resources.requests == {"cpu": "1", "memory": "1Gi"}
    assert (made.status.phase, made.status.qos_class) == ("Pending", "Guaranteed")


async def test_a_running_pod_cannot_become_another(kube_noop: Kube) -> None:
    async with kube_noop.client() as api:
        v1 = client.CoreV1Api(api)
        await v1.create_namespaced_pod(kube_noop.namespace, pod("one"))
        patch = {"spec": {"restartPolicy": "Always"}}
        told = await refusal(v1.patch_namespaced_pod("one", kube_noop.namespace, patch))
    assert "pod updates may not change fields" in told["message"]


async def test_what_a_pod_refers_to_must_be_there(kube_noop: Kube) -> None:
    async with kube_noop.client() as api:
        v1 = client.CoreV1Api(api)
        for field, missing in (
            ("serviceAccountName", "serviceaccount"),
            ("priorityClassName", "PriorityClass"),
        ):
            with pytest.raises(client.ApiException) as refused:
                await v1.create_namespaced_pod(kube_noop.namespace, pod("one", **{field: "none"}))
            assert refused.value.status == 403
            assert missing in refused.value.body
        account = {"metadata": {"name": "none"}}
        await v1.create_namespaced_service_account(kube_noop.namespace, account)
        await v1.create_namespaced_pod(kube_noop.namespace, pod("one", serviceAccountName="none"))

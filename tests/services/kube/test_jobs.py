"""Jobs: retries, indexes, failure policies, time limits, and what deleting them leaves."""

from __future__ import annotations

import asyncio
from typing import Any

from kubernetes_asyncio import client, watch

from tests.services.kube.fixture import Kube
from tests.services.kube.objects import Object
from tests.services.kube.orders import Trouble
from tests.services.kube.story import pod, version_of, wait_gone, wait_pod, watched

_WAIT_S = 20


def job(name: str, script: str = "true", *, pod_spec: Object | None = None, **spec: Any) -> Object:
    template = pod(name, script, **(pod_spec or {}))
    metadata = {"labels": {"mine": "yes"}}
    return {
        "metadata": {"name": name},
        "spec": {"template": {"metadata": metadata, "spec": template["spec"]}, **spec},
    }


async def create(kube: Kube, api: Any, item: Object) -> None:
    await client.BatchV1Api(api).create_namespaced_job(kube.namespace, item)


async def wait_job(kube: Kube, api: Any, name: str, *kinds: str) -> Object:
    """Wait until one of these conditions holds; return the Job."""
    batch = client.BatchV1Api(api)
    async with asyncio.timeout(_WAIT_S), watch.Watch() as stream:
        events = stream.stream(
            batch.list_namespaced_job, kube.namespace, field_selector=f"metadata.name={name}"
        )
        async for event in events:
            item: Object = event["raw_object"]
            conditions = item["status"].get("conditions") or []
            if any(one["type"] in kinds and one["status"] == "True" for one in conditions):
                return item
    raise AssertionError(f"the watch ended before {name} was {kinds}")


def reason(item: Object, kind: str) -> str:
    return next(one["reason"] for one in item["status"]["conditions"] if one["type"] == kind)


async def pods_of(kube: Kube, api: Any, name: str) -> list[Any]:
    selector = f"batch.kubernetes.io/job-name={name}"
    return (await client.CoreV1Api(api).list_namespaced_pod(kube.namespace, label_selector=selector)).items


async def test_a_job_is_complete_when_its_pod_succeeds(kube: Kube) -> None:
    async with kube.client() as api:
        await create(kube, api, job("one"))
        ended = await wait_job(kube, api, "one", "Complete", "Failed")
        pods = await pods_of(kube, api, "one")
    assert ended["status"]["succeeded"] == 1
    assert "completionTime" in ended["status"]
    owner = pods[0].metadata.owner_references[0]
    assert (owner.kind, owner.name, owner.uid, owner.controller) == (
        "Job",
        "one",
        ended["metadata"]["uid"],
        True,
    )
    assert pods[0].metadata.labels["mine"] == "yes"


async def test_a_failing_pod_is_replaced_until_the_limit(kube: Kube) -> None:
    async with kube.client() as api:
        await create(kube, api, job("one", "exit 7", backoffLimit=2))
        ended = await wait_job(kube, api, "one", "Failed", "Complete")
        pods = await pods_of(kube, api, "one")
    assert reason(ended, "Failed") == "BackoffLimitExceeded"
    assert ended["status"]["failed"] == len(pods) == 3


async def test_a_container_is_restarted_in_its_pod(kube: Kube) -> None:
    script = "test -e /kubetest/vol/again || { touch /kubetest/vol/again; exit 1; }"
    spec = {
        "restartPolicy": "OnFailure",
        "volumes": [{"name": "v", "emptyDir": {}}],
        "container": {"volumeMounts": [{"name": "v", "mountPath": "/kubetest/vol"}]},
    }
    async with kube.client() as api:
        await create(kube, api, job("one", script, pod_spec=spec))
        await wait_job(kube, api, "one", "Complete", "Failed")
        (only,) = await pods_of(kube, api, "one")
    assert only.status.phase == "Succeeded"
    assert only.status.container_statuses[0].restart_count == 1


async def test_a_policy_tells_failures_apart(kube: Kube) -> None:
    rules = [
        {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}},
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
    ]
    fault = kube.faults.pod(Trouble.EVICTED, "^evicted")
    async with kube.client() as api:
        await create(kube, api, job("fatal", "exit 42", podFailurePolicy={"rules": rules}))
        script = f"sleep 0.2; test $(ls {kube.config.parent} | wc -l) -gt 0"
        await create(kube, api, job("evicted", script, podFailurePolicy={"rules": rules}, backoffLimit=0))
        fatal = await wait_job(kube, api, "fatal", "Failed", "Complete")
        evicted = await wait_job(kube, api, "evicted", "Failed", "Complete")
        pods = await pods_of(kube, api, "evicted")
    assert reason(fatal, "Failed") == "PodFailurePolicy"
    assert fatal["status"]["failed"] == 1
    assert fault.fired == 1
    assert evicted["status"]["succeeded"] == 1
    assert "failed" not in evicted["status"]
    assert sorted(one.status.phase for one in pods) == ["Failed", "Succeeded"]


async def test_a_gang_knows_its_numbers_and_finds_each_other(kube: Kube) -> None:
    script = (
        "echo $JOB_COMPLETION_INDEX $HOSTNAME $MAIN; "
        "if [ $JOB_COMPLETION_INDEX = 0 ]; then "
        "python -c \"import socket,os; s=socket.create_server((os.environ['IP'], 0)); "
        "open(os.environ['FILE'],'w').write(str(s.getsockname()[1])); s.accept()[0].recv(9); print('met')\"; "
        "else while ! test -s $FILE; do sleep 0.05; done; "
        'python -c "import socket,os; '
        "socket.create_connection((os.environ['MAIN'], int(open(os.environ['FILE']).read()))).send(b'hello')\"; fi"
    )
    env = [
        {"name": "MAIN", "value": "gang-0.members"},
        {"name": "FILE", "value": str(kube.config.parent / "port")},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
    ]
    spec = {"subdomain": "members", "container": {"env": env}}
    service = {
        "metadata": {"name": "members"},
        "spec": {"clusterIP": "None", "selector": {"job-name": "gang"}, "ports": [{"port": 1}]},
    }
    async with kube.client() as api:
        v1 = client.CoreV1Api(api)
        await v1.create_namespaced_service(kube.namespace, service)
        gang = job("gang", script, pod_spec=spec, completionMode="Indexed", completions=2, parallelism=2)
        await create(kube, api, gang)
        ended = await wait_job(kube, api, "gang", "Complete", "Failed")
        pods = {
            one.metadata.annotations["batch.kubernetes.io/job-completion-index"]: one
            for one in await pods_of(kube, api, "gang")
        }
        logs = [await v1.read_namespaced_pod_log(pods[i].metadata.name, kube.namespace) for i in "01"]
    assert ended["status"]["completedIndexes"] == "0-1"
    assert pods["1"].spec.hostname == "gang-1"
    assert logs[0].startswith("0 gang-0 127.")
    assert "met" in logs[0]
    assert pods["0"].status.pod_ip in logs[1]
    assert pods["0"].status.pod_ip != pods["1"].status.pod_ip


async def test_a_job_over_its_time_is_failed_and_its_pod_killed(kube: Kube) -> None:
    async with kube.client() as api:
        await create(kube, api, job("one", "exec sleep 600", activeDeadlineSeconds=1))
        ended = await wait_job(kube, api, "one", "Failed")
        assert await pods_of(kube, api, "one") == []
    assert reason(ended, "Failed") == "DeadlineExceeded"


async def test_a_finished_job_goes_when_its_time_is_up_with_its_pods(kube: Kube) -> None:
    async with kube.client() as api:
        before = (await client.CoreV1Api(api).list_namespaced_pod(kube.namespace)).metadata.resource_version
        await create(kube, api, job("one", ttlSecondsAfterFinished=0))
        gone = await first_deleted(kube, api, before)
        assert (await client.BatchV1Api(api).list_namespaced_job(kube.namespace)).items == []
    assert gone["metadata"]["labels"]["job-name"] == "one"
    assert gone["status"]["phase"] == "Succeeded"


async def first_deleted(kube: Kube, api: Any, version: str) -> Object:
    async with asyncio.timeout(_WAIT_S):
        async for kind, item in watched(kube, api, version=version):
            if kind == "DELETED":
                return item
    raise AssertionError("the watch ended before a pod was gone")


async def test_deleting_a_job_leaves_its_pods_unless_told(kube: Kube) -> None:
    # The API's default for Jobs is to orphan, whatever kubectl does.
    async with kube.client() as api:
        batch = client.BatchV1Api(api)
        for name in ("kept", "gone"):
            await create(kube, api, job(name, "exec sleep 600"))
        names = {}
        for name in ("kept", "gone"):
            await wait_job_active(kube, api, name)
            names[name] = (await pods_of(kube, api, name))[0].metadata.name
        running = await wait_pod(kube, api, names["gone"], ("Running",))
        await batch.delete_namespaced_job("kept", kube.namespace)
        await batch.delete_namespaced_job("gone", kube.namespace, propagation_policy="Background")
        await wait_gone(kube, api, names["gone"], version_of(running))
        kept = await client.CoreV1Api(api).read_namespaced_pod(names["kept"], kube.namespace)
        await client.CoreV1Api(api).delete_namespaced_pod(
            names["kept"], kube.namespace, grace_period_seconds=0
        )
    assert not kept.metadata.owner_references
    assert kept.metadata.deletion_timestamp is None


async def wait_job_active(kube: Kube, api: Any, name: str) -> None:
    async for _, item in watched(kube, api, labels=f"job-name={name}"):
        assert item
        return


async def test_a_quota_stops_pods_but_not_the_job(kube: Kube) -> None:
    async with kube.client() as api:
        v1 = client.CoreV1Api(api)
        quota = {"metadata": {"name": "small"}, "spec": {"hard": {"pods": "0"}}}
        await v1.create_namespaced_resource_quota(kube.namespace, quota)
        await create(kube, api, job("one"))
        async with watch.Watch() as stream:
            async for event in stream.stream(v1.list_namespaced_event, kube.namespace):
                told = event["raw_object"]
                if told["reason"] == "FailedCreate":
                    break
        assert "exceeded quota: small, requested: pods=1, used: pods=0, limited: pods=0" in told["message"]
        await v1.delete_namespaced_resource_quota("small", kube.namespace)
        await wait_job(kube, api, "one", "Complete")


async def test_a_suspended_job_has_no_pods_until_it_goes_on(kube: Kube) -> None:
    async with kube.client() as api:
        batch = client.BatchV1Api(api)
        await create(kube, api, job("one", suspend=True))
        await wait_job(kube, api, "one", "Suspended")
        assert await pods_of(kube, api, "one") == []
        await batch.patch_namespaced_job("one", kube.namespace, {"spec": {"suspend": False}})
        ended = await wait_job(kube, api, "one", "Complete", "Failed")
    assert ended["status"]["succeeded"] == 1


async def test_each_index_has_its_own_limit(kube: Kube) -> None:
    script = "test $JOB_COMPLETION_INDEX != 1"
    async with kube.client() as api:
        item = job(
            "one", script, completionMode="Indexed", completions=4, parallelism=2, backoffLimitPerIndex=1
        )
        await create(kube, api, item)
        ended = await wait_job(kube, api, "one", "Complete", "Failed")
    assert reason(ended, "Failed") == "FailedIndexes"
    assert (ended["status"]["completedIndexes"], ended["status"]["failedIndexes"]) == ("0,2-3", "1")
    assert ended["status"]["failed"] == 2


async def test_a_job_deleted_in_the_foreground_goes_after_its_pods(kube: Kube) -> None:
    async with kube.client() as api:
        batch = client.BatchV1Api(api)
        await create(kube, api, job("one", "exec sleep 600"))
        await wait_job_active(kube, api, "one")
        (only,) = await pods_of(kube, api, "one")
        await wait_pod(kube, api, only.metadata.name, ("Running",))
        version = (await batch.list_namespaced_job(kube.namespace)).metadata.resource_version
        await batch.delete_namespaced_job("one", kube.namespace, propagation_policy="Foreground")
        async with asyncio.timeout(_WAIT_S), watch.Watch() as stream:
            events = stream.stream(batch.list_namespaced_job, kube.namespace, resource_version=version)
            seen = [event async for event in until_deleted(events)]
        assert await pods_of(kube, api, "one") == []
    assert "foregroundDeletion" in seen[0]["raw_object"]["metadata"]["finalizers"]


async def until_deleted(events: Any) -> Any:
    async for event in events:
        yield event
        if event["type"] == "DELETED":
            return

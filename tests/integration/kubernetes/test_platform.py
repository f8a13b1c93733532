"""Attempts in pods of the test server: how they run, what is told, what is left."""

from __future__ import annotations

import asyncio

import pytest

from asyncflow.backends.kubernetes.provider import KubernetesProvider
from asyncflow.backends.remote.platform import EndReason, Phase, Size
from asyncflow.errors import RunIsElsewhere
from asyncflow.machine.ids import Attempt
from asyncflow.records import replace
from tests.integration.kubernetes.story import (
    context,
    environment_of,
    job,
    limit_pods,
    opened,
    pods,
    timing,
    wait_no_pods,
)
from tests.services.kube.fixture import Kube
from tests.services.kube.orders import Trouble


async def test_jobs_run_and_their_ends_are_told_once(kube: Kube) -> None:
    async with opened(kube) as (platform, listener):
        assert await platform.submit([job(1, "exit 0"), job(2, "exit 3")]) == []
        good, bad = await listener.ended(1, 2)
        assert good.end is not None
        assert bad.end is not None
        assert (good.end.reason, good.end.exit_code) == (EndReason.SUCCEEDED, 0)
        assert (bad.end.reason, bad.end.exit_code) == (EndReason.FAILED, 3)
        assert good.metadata["kubernetes-pod-name"] == job(1).name
        assert good.metadata["kubernetes-pod-namespace"] == kube.namespace
        assert good.metadata["kubernetes-node-ip"]
        assert "on node-1" in good.where
        await wait_no_pods(kube)  # what was told is removed
    assert len(listener.ends(1)) == len(listener.ends(2)) == 1


async def test_a_pod_gets_its_environment_and_facts_of_itself(kube: Kube) -> None:
    # A value with `$(...)` is data, not a reference.
    script = (
        'test "$METAFLOW_KUBERNETES_WORKLOAD" = 1 && test "$METAFLOW_KUBERNETES_POD_NAME" = "$EXPECTED" '
        '&& test -n "$METAFLOW_KUBERNETES_POD_ID" && test "$ASYNCFLOW_SPEC_INDEX" = 5 && test "$RAW" = \'$(HOME)\''
    )
    one = job(1, script, index=5)
    given = {**environment_of(one), "EXPECTED": one.name, "RAW": "$(HOME)"}
    async with opened(kube) as (platform, listener):
        await platform.submit([replace(one, environment=given)])
        (ended,) = await listener.ended(1)
    assert ended.end is not None
    assert ended.end.reason is EndReason.SUCCEEDED, ended.end


async def test_submitting_again_changes_nothing(kube: Kube) -> None:
    async with opened(kube) as (platform, listener):
        one = job(1, "sleep 1")
        assert await platform.submit([one]) == []
        assert await platform.submit([one]) == []
        await listener.ended(1)
        assert await platform.submit([one]) == []
    assert len(listener.ends(1)) == 1
    assert kube.faults.calls()["create", "pods"] == 1


async def test_a_job_that_is_stopped_gets_its_grace(kube: Kube) -> None:
    async with opened(kube) as (platform, listener):
        await platform.submit([job(1, "trap 'exit 5' TERM; sleep 30 & wait")])
        await listener.running(1)
        await platform.stop([Attempt(1, 0), Attempt(99, 0)], force=False)
        (ended,) = await listener.ended(1)
    assert ended.end is not None
    assert ended.end.reason is EndReason.STOPPED


async def test_a_job_that_is_forced_ends_at_once(kube: Kube) -> None:
    async with opened(kube) as (platform, listener):
        await platform.submit([job(1, "trap '' TERM; while true; do sleep 0.1; done")])
        await listener.running(1)
        await platform.stop([Attempt(1, 0)], force=False)
        await platform.stop([Attempt(1, 0)], force=True)
        (ended,) = await listener.ended(1)
        await wait_no_pods(kube)
    assert ended.end is not None
    assert ended.end.reason is EndReason.STOPPED


async def test_closing_removes_all_pods_of_the_run_and_no_other(kube: Kube) -> None:
    async with opened(kube, run=8) as (other, other_listener):
        await other.submit([job(1, "sleep 30", run=8)])
        async with opened(kube) as (platform, listener):
            await platform.submit([job(task, "sleep 30") for task in range(1, 6)])
            await listener.running(*range(1, 6))
        await other_listener.running(1)
        await wait_no_pods(kube, run=7)
        assert await pods(kube)
    assert kube.faults.calls()["deletecollection", "pods"] == 2


async def test_who_may_not_delete_collections_deletes_one_by_one(kube: Kube) -> None:
    kube.faults.deny(verbs=["deletecollection"])
    async with opened(kube) as (platform, listener):
        await platform.submit([job(task, "sleep 30") for task in (1, 2)])
        await listener.running(1, 2)
    await wait_no_pods(kube)


async def test_a_restarted_driver_finds_its_pods_and_hears_how_they_end(kube: Kube) -> None:
    first = KubernetesProvider().open(context(kube), timing=timing())
    async with first as platform:
        await platform.submit([job(1, "sleep 60"), job(2, "exit 4")])
        # Nobody hears what the first one would tell: it is as if it had been killed.
        async with opened(kube) as (second, listener):
            found = {
                one.attempt.task: one
                for one in await second.find([Attempt(1, 0), Attempt(2, 0), Attempt(3, 0)])
            }
            assert set(found) == {1, 2}
            assert found[1].phase is not Phase.ENDED
            await second.stop([Attempt(1, 0)], force=True)
            await listener.ended(1)
            if found[2].phase is not Phase.ENDED:
                await listener.ended(2)
            assert kube.faults.calls()["create", "pods"] == 2


async def test_a_name_that_somebody_else_has_is_refused(kube: Kube) -> None:
    mine = job(1)
    kube.kubectl("run", mine.name, "--image=python:3.11", "--restart=Never", "--command", "--", "sleep", "30")
    async with opened(kube) as (platform, _):
        (refused,) = await platform.submit([mine])
        assert refused.reason is EndReason.UNSCHEDULABLE
        assert "not this run's" in refused.message
    assert len(await pods(kube)) == 1  # what is not ours stays


async def test_what_the_server_does_not_take_is_refused_in_its_words(kube: Kube) -> None:
    async with opened(kube) as (platform, _):
        (refused,) = await platform.submit([job(1, service_account="nobody")])
    assert "nobody" in refused.message


async def test_a_pod_that_nobody_can_run_says_why_and_ends(kube: Kube) -> None:
    async with opened(kube, times=timing(pending_s=0.5)) as (platform, listener):
        await platform.submit([job(1, size=Size(cpu=100000.0, memory_mb=10.0))])
        note = await listener.noted(1, "Unschedulable")
        assert "cpu" in note.lower()
        (ended,) = await listener.ended(1)
        await wait_no_pods(kube)
    assert ended.end is not None
    assert ended.end.reason is EndReason.UNSCHEDULABLE
    assert "nodes" in ended.end.message


async def test_a_full_quota_is_noted_and_waited_for(kube: Kube) -> None:
    limit_pods(kube, 1)
    async with opened(kube) as (platform, listener):
        assert await platform.submit([job(1, "sleep 1"), job(2), job(3)]) == []
        assert "exceeded quota" in await listener.noted(3, "quota")
        ended = await listener.ended(1, 2, 3)
    assert [one.end.reason for one in ended if one.end] == [EndReason.SUCCEEDED] * 3


async def test_all_that_waits_for_quota_starts_when_there_is_room(kube: Kube) -> None:
    limit_pods(kube, 0)
    async with opened(kube) as (platform, listener):
        assert await platform.submit([job(task) for task in range(1, 9)]) == []
        assert (
            kube.faults.calls()["create", "pods"] <= 9
        )  # the first ones found it full, the others did not ask
        await listener.noted(8, "quota")
        kube.kubectl("delete", "quota", "few")
        ended = await listener.ended(*range(1, 9))
    assert {one.end.reason for one in ended if one.end} == {EndReason.SUCCEEDED}


async def test_what_is_refused_after_it_waited_for_quota_is_told(kube: Kube) -> None:
    limit_pods(kube, 0)
    async with opened(kube) as (platform, listener):
        assert await platform.submit([job(1)]) == []
        await listener.noted(1, "quota")
        kube.faults.deny(verbs=["create"], resources=["pods"])
        (ended,) = await listener.ended(1)
    assert ended.end is not None
    assert ended.end.reason is EndReason.UNSCHEDULABLE
    assert "quota" not in ended.end.message


async def test_a_job_that_waits_for_quota_can_be_stopped(kube: Kube) -> None:
    limit_pods(kube, 0)
    async with opened(kube) as (platform, listener):
        await platform.submit([job(1), job(2)])
        await listener.noted(2, "quota")
        await platform.stop([Attempt(1, 0), Attempt(2, 0)], force=False)
        ended = await listener.ended(1, 2)
    assert {one.end.reason for one in ended if one.end} == {EndReason.STOPPED}


async def test_a_quota_that_never_has_room_ends_the_wait(kube: Kube) -> None:
    limit_pods(kube, 0)
    async with opened(kube, times=timing(pending_s=0.5)) as (platform, listener):
        await platform.submit([job(1)])
        (ended,) = await listener.ended(1)
    assert ended.end is not None
    assert ended.end.reason is EndReason.UNSCHEDULABLE
    assert "exceeded quota" in ended.end.message


async def test_an_image_that_is_not_there_ends_after_a_while_with_the_reason(kube: Kube) -> None:
    fault = kube.faults.no_image("missing")
    async with opened(kube, times=timing(image_s=0.5)) as (platform, listener):
        await platform.submit([job(1, image="registry.example/missing:1")])
        await listener.noted(1, "ErrImagePull")
        (ended,) = await listener.ended(1)
        await wait_no_pods(kube)
    assert ended.end is not None
    assert ended.end.reason is EndReason.IMAGE
    assert "missing:1" in ended.end.message or "ImagePull" in ended.end.message
    assert fault.fired


async def test_a_secret_that_is_missing_ends_after_a_while_with_the_reason(kube: Kube) -> None:
    async with opened(kube, times=timing(configuration_s=0.5)) as (platform, listener):
        await platform.submit([job(1, secrets=["keys"])])
        await listener.noted(1, "CreateContainerConfigError")
        (ended,) = await listener.ended(1)
    assert ended.end is not None
    assert ended.end.reason is EndReason.UNSCHEDULABLE
    assert "keys" in ended.end.message


@pytest.mark.parametrize(
    ("trouble", "more", "reason", "words"),
    [
        (Trouble.EVICTED, {}, EndReason.EVICTED, "Evicted"),
        (Trouble.PREEMPTED, {}, EndReason.EVICTED, "priority"),
        (Trouble.SHUT_DOWN, {}, EndReason.EVICTED, ""),
        (Trouble.NODE_LOST, {"then": "failed"}, EndReason.LOST, "node"),
        (Trouble.NODE_LOST, {"then": "deleted"}, EndReason.LOST, "node"),
        (Trouble.OOM_KILLED, {}, EndReason.OUT_OF_MEMORY, "256M"),
    ],
)
async def test_what_happens_to_a_pod_is_told_apart(
    kube: Kube, trouble: Trouble, more: dict[str, str], reason: EndReason, words: str
) -> None:
    fault = kube.faults.pod(trouble, after_s=0.2, namespace=kube.namespace, **more)
    try:
        async with opened(kube, times=timing(leaving_s=0.5)) as (platform, listener):
            await platform.submit([job(1, "sleep 60")])
            (ended,) = await listener.ended(1)
            await wait_no_pods(kube)
    finally:
        for node in ("node-1", "node-2"):
            kube.faults.restore_node(node)
    assert ended.end is not None
    assert (ended.end.reason, fault.fired) == (reason, 1), ended.end
    assert words in ended.end.message
    assert ended.end.reason.is_our_fault is (reason is not EndReason.OUT_OF_MEMORY)


async def test_a_spot_node_that_is_reclaimed_is_told_as_such(kube: Kube) -> None:
    fault = kube.faults.pod(Trouble.SHUT_DOWN, after_s=0.2, namespace=kube.namespace)
    tolerations = [{"key": "cloud.google.com/gke-spot", "operator": "Equal", "value": "true"}]
    async with opened(kube) as (platform, listener):
        await platform.submit([job(1, "sleep 60", tolerations=tolerations)])
        (ended,) = await listener.ended(1)
    assert ended.end is not None
    assert (ended.end.reason, fault.fired) == (EndReason.SPOT, 1)


async def test_a_pod_that_somebody_deletes_is_told_as_stopped(kube: Kube) -> None:
    async with opened(kube) as (platform, listener):
        await platform.submit([job(1, "sleep 60")])
        await listener.running(1)
        await asyncio.to_thread(kube.kubectl, "delete", "pod", job(1).name, "--wait=false")
        (ended,) = await listener.ended(1)
    assert ended.end is not None
    assert ended.end.reason is EndReason.STOPPED
    assert "deleted by somebody" in ended.end.message


async def test_a_command_that_is_not_there_is_told_as_the_image(kube: Kube) -> None:
    async with opened(kube, times=timing(image_s=0.5)) as (platform, listener):
        await platform.submit([replace(job(1), command=("no-such-program",))])
        (ended,) = await listener.ended(1)
    assert ended.end is not None
    assert ended.end.reason is EndReason.IMAGE
    assert "no-such-program" in ended.end.message


async def test_a_crash_and_a_kill_are_told_by_their_signals(kube: Kube) -> None:
    async with opened(kube) as (platform, listener):
        await platform.submit([job(1, "kill -SEGV $$"), job(2, "kill -KILL $$")])
        crashed, killed = await listener.ended(1, 2)
    assert crashed.end is not None
    assert killed.end is not None
    assert crashed.end.exit_code == -11
    assert "segmentation fault" in crashed.end.message
    assert killed.end.exit_code == -9
    assert "memory" in killed.end.message


async def test_a_pod_that_runs_too_long_is_ended_by_the_cluster(kube: Kube) -> None:
    # 1 s of timeout and what is granted for the start: the pod's own deadline is for workers that cannot keep it.
    (pod,) = [job(1, "sleep 1", timeout_s=600)]
    async with opened(kube) as (platform, listener):
        await platform.submit([pod])
        await listener.running(1)
        (made,) = await pods(kube)
        assert made["spec"]["activeDeadlineSeconds"] == 600 + 60 + 30


async def test_a_step_in_another_namespace_is_watched_there(kube: Kube) -> None:
    async with opened(kube) as (platform, listener):
        await platform.submit([job(1)])
        await platform.submit([replace(job(2, namespace="default"), step="elsewhere")])
        one, other = await listener.ended(1, 2)
    assert one.metadata["kubernetes-pod-namespace"] == kube.namespace
    assert other.metadata["kubernetes-pod-namespace"] == "default"
    assert kube.faults.calls()["list", "pods"] == 2


async def test_a_detached_platform_leaves_what_runs(kube: Kube) -> None:
    async with opened(kube) as (platform, listener):
        await platform.submit([job(1, "sleep 60")])
        await listener.running(1)
        platform.detach()
    assert len(await pods(kube)) == 1
    async with opened(kube) as (platform, listener):
        (found,) = await platform.find([Attempt(1, 0)])
        assert found.phase is Phase.RUNNING


async def test_a_resume_that_has_nothing_to_ask_for_removes_what_is_left_of_its_run(kube: Kube) -> None:
    async with opened(kube, times=timing(linger_s=60.0)) as (platform, listener):
        await platform.submit([job(1)])
        await listener.ended(1)
        platform.detach()
    assert len(await pods(kube)) == 1
    async with opened(kube, run=8):
        pass
    assert len(await pods(kube)) == 1
    async with opened(kube, run=7):
        pass
    await wait_no_pods(kube)


async def failing(kube: Kube, error: Exception) -> None:
    async with KubernetesProvider().open(context(kube), timing=timing()) as platform:
        await platform.submit([job(1, "sleep 60")])
        raise error


async def test_an_error_of_who_uses_the_platform_stays_what_it_is(kube: Kube) -> None:
    with pytest.raises(ZeroDivisionError):
        await failing(kube, ZeroDivisionError())
    await wait_no_pods(kube)


async def test_a_driver_that_lost_its_run_leaves_the_pods_to_the_other_one(kube: Kube) -> None:
    with pytest.raises(RunIsElsewhere):
        await failing(kube, RunIsElsewhere("another process drives it"))
    assert len(await pods(kube)) == 1
    async with KubernetesProvider().open(context(kube), timing=timing()):
        pass
    await wait_no_pods(kube)

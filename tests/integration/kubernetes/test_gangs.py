"""Gangs: an indexed Job with a headless Service, and members that are tried again alone."""

from __future__ import annotations

import asyncio

from asyncflow.backends.remote.platform import EndReason, Gang, Job
from asyncflow.machine.ids import Attempt
from tests.integration.kubernetes.story import job, label_of, limit_pods, opened, pods, timing, wait_no_pods
from tests.services.kube.fixture import Kube

MEET = (
    "import os, socket, sys; "
    'own = os.environ["JOB_COMPLETION_INDEX"]; '
    'assert os.environ["MF_PARALLEL_NODE_INDEX"] == own; '
    'assert os.environ["MF_WORLD_SIZE"] == "3"; '
    'print(socket.getaddrinfo(os.environ["MF_MASTER_ADDR"], int(os.environ["MF_MASTER_PORT"]))[0][4])'
)


def gang(script: str, size: int = 3) -> list[Job]:
    return [job(20 + index, script, index=5 + index, gang=Gang(19, size, index)) for index in range(size)]


async def test_a_gang_is_one_job_whose_members_find_their_leader(kube: Kube) -> None:
    async with opened(kube) as (platform, listener):
        assert await platform.submit(gang(f"python3 -c '{MEET}'")) == []
        ended = await listener.ended(20, 21, 22)
        assert [one.end.reason for one in ended if one.end] == [EndReason.SUCCEEDED] * 3, ended
        assert len({one.metadata["kubernetes-pod-name"] for one in ended}) == 3
        await wait_no_pods(kube)
    calls = kube.faults.calls()
    assert (calls["create", "jobs"], calls["create", "services"], calls.get(("create", "pods"), 0)) == (
        1,
        1,
        0,
    )
    assert calls["delete", "jobs"] == 1
    assert kube.kubectl("get", "jobs,services", "-o", "name") == ""


async def test_a_member_that_fails_ends_no_other_and_is_not_started_again(kube: Kube) -> None:
    script = 'if [ "$JOB_COMPLETION_INDEX" = 1 ]; then exit 3; else sleep 1; fi'
    async with opened(kube) as (platform, listener):
        await platform.submit(gang(script))
        first, failed, last = await listener.ended(20, 21, 22)
    assert failed.end is not None
    assert (failed.end.reason, failed.end.exit_code) == (EndReason.FAILED, 3)
    assert [one.end.reason for one in (first, last) if one.end] == [EndReason.SUCCEEDED] * 2
    assert all(len(listener.ends(task)) == 1 for task in (20, 21, 22))


async def test_an_answer_lost_after_the_job_was_made_makes_no_second_one(kube: Kube) -> None:
    fault = kube.faults.lose_answer(resources=["jobs"], namespace=kube.namespace)
    async with opened(kube) as (platform, listener):
        assert await platform.submit(gang("true")) == []
        await listener.ended(20, 21, 22)
        assert await platform.submit(gang("true")) == []
    assert fault.fired == 1
    assert all(len(listener.ends(task)) == 1 for task in (20, 21, 22))


async def test_stopping_a_gang_ends_all_its_members(kube: Kube) -> None:
    async with opened(kube) as (platform, listener):
        members = gang("sleep 60")
        await platform.submit(members)
        await platform.stop([one.attempt for one in members], force=True)  # some may have no pod yet
        ended = await listener.ended(20, 21, 22)
        await wait_no_pods(kube)
    assert {one.end.reason for one in ended if one.end} == {EndReason.STOPPED}


async def test_a_member_is_tried_again_alone_under_its_old_name(kube: Kube) -> None:
    leader, *_ = gang("sleep 60")
    again = job(20, 'test "$(hostname)" != x && sleep 0.5', number=1, index=5, gang=leader.gang)
    async with opened(kube) as (platform, listener):
        assert await platform.submit([again]) == []
        await listener.running(20)
        (made,) = await pods(kube)
        assert made["spec"]["hostname"] == "af-0badcafe-7-g19-0"
        assert label_of(made, "attempt") == "1"
        (ended,) = await listener.ended(20)
        assert ended.attempt == Attempt(20, 1)
        await wait_no_pods(kube)
    assert ended.end is not None
    assert ended.end.reason is EndReason.SUCCEEDED
    assert kube.kubectl("get", "services", "-o", "name") == ""


async def test_who_may_not_make_services_is_refused_a_gang_and_leaves_nothing(kube: Kube) -> None:
    kube.faults.deny(verbs=["create"], resources=["services"])
    async with opened(kube) as (platform, _):
        refused = await platform.submit(gang("sleep 60"))
    assert len(refused) == 3
    assert "services" in refused[0].message
    assert kube.kubectl("get", "jobs", "-o", "name") == ""


async def test_a_gangs_pods_are_found_after_a_restart(kube: Kube) -> None:
    async with opened(kube) as (first, heard):
        await first.submit(gang("sleep 60"))
        await heard.running(20, 21, 22)
        async with opened(kube, times=timing()) as (second, listener):
            found = await second.find([Attempt(20 + index, 0) for index in range(3)])
            assert sorted(one.attempt.task for one in found) == [20, 21, 22]
            await second.stop([Attempt(21, 0)], force=True)
            (ended,) = await listener.ended(21)
    assert ended.end is not None
    assert ended.end.reason is EndReason.STOPPED


async def test_a_gang_without_quota_says_so_and_can_be_stopped(kube: Kube) -> None:
    limit_pods(kube, 0)
    async with opened(kube, times=timing(gang_s=0.3)) as (platform, listener):
        members = gang("true")
        assert await platform.submit(members) == []
        assert "exceeded quota" in await listener.noted(21, "quota")
        await platform.stop([one.attempt for one in members], force=False)
        ended = await listener.ended(20, 21, 22)
    assert {one.end.reason for one in ended if one.end} == {EndReason.STOPPED}
    assert kube.kubectl("get", "jobs,services", "-o", "name") == ""


async def test_a_gang_whose_job_somebody_removes_is_lost(kube: Kube) -> None:
    limit_pods(kube, 0)
    async with opened(kube, times=timing(gang_s=0.3)) as (platform, listener):
        await platform.submit(gang("true"))
        await listener.noted(21, "quota")
        kube.kubectl("delete", "job", "af-0badcafe-7-g19")
        ended = await listener.ended(20, 21, 22)
    assert {one.end.reason for one in ended if one.end} == {EndReason.LOST}


async def test_a_gang_that_never_gets_its_pods_ends(kube: Kube) -> None:
    limit_pods(kube, 0)
    async with opened(kube, times=timing(pending_s=0.5)) as (platform, listener):
        await platform.submit(gang("true"))
        ended = await listener.ended(20, 21, 22)
        assert {one.end.reason for one in ended if one.end} == {EndReason.UNSCHEDULABLE}
        async with asyncio.timeout(20):
            while kube.kubectl("get", "jobs", "-o", "name"):  # noqa: ASYNC110 - the server is another process
                await asyncio.sleep(0.1)

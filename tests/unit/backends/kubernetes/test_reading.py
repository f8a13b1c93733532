"""What a pod's status means."""

from __future__ import annotations

from typing import Any

import pytest

from asyncflow.backends.kubernetes.reading import Hopeless, gone, read_pod, seconds_of
from asyncflow.backends.remote.platform import EndReason, Phase


def pod(phase: str = "Pending", **status: Any) -> dict[str, Any]:
    """Return a pod; `meta`, `spec` and `container` (its state) stand beside the status."""
    meta, spec = status.pop("meta", {}), status.pop("spec", {})
    state = status.pop("container", None)
    if state is not None:
        status["containerStatuses"] = [{"name": "main", "state": state}]
    main = {"name": "main", "resources": {"limits": {"memory": "64M"}}}
    return {
        "metadata": {"name": "one", **meta},
        "spec": {"nodeName": "node-1", "containers": [main], **spec},
        "status": {"phase": phase, **status},
    }


def ended(reason: str, code: int, **more: Any) -> dict[str, Any]:
    return {"terminated": {"reason": reason, "exitCode": code, **more}}


def disrupted(reason: str) -> dict[str, Any]:
    return {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": "because"}


DELETED = {"deletionTimestamp": "2026-11-28T05:00:30Z", "deletionGracePeriodSeconds": 30}

ENDS = {
    "success": (pod("Succeeded", container=ended("Completed", 0)), EndReason.SUCCEEDED, 0, ""),
    "failure": (
        pod("Failed", container=ended("Error", 3, message="why")),
        EndReason.FAILED,
        3,
        "exit code 3: why",
    ),
    "killed": (pod("Failed", container=ended("Error", 137)), EndReason.FAILED, -9, "more memory"),
    "segfault": (pod("Failed", container=ended("Error", 139)), EndReason.FAILED, -11, "segmentation fault"),
    "oom": (pod("Failed", container=ended("OOMKilled", 137)), EndReason.OUT_OF_MEMORY, -9, "64M"),
    "deadline": (pod("Failed", reason="DeadlineExceeded"), EndReason.TIMED_OUT, None, "longer"),
    "evicted": (
        pod("Failed", reason="Evicted", message="The node was low on resource: ephemeral-storage."),
        EndReason.EVICTED,
        None,
        "low on resource",
    ),
    "own disk": (
        pod("Failed", reason="Evicted", message="Pod ephemeral local storage usage exceeds the total limit"),
        EndReason.FAILED,
        None,
        "raise disk",
    ),
    "own tmpfs": (
        pod("Failed", reason="Evicted", message='Usage of EmptyDir volume "tmpfs" exceeds the limit "64Mi".'),
        EndReason.FAILED,
        None,
        "tmpfs_size",
    ),
    "no room after all": (pod("Failed", reason="OutOfcpu"), EndReason.EVICTED, None, "OutOfcpu"),
    "node shutdown": (
        pod("Failed", reason="Terminated", message="shutdown"),
        EndReason.EVICTED,
        None,
        "shutdown",
    ),
    "preempted": (
        pod("Failed", conditions=[disrupted("PreemptionByScheduler")], container=ended("Error", 143)),
        EndReason.EVICTED,
        -15,
        "priority",
    ),
    "drained": (
        pod("Failed", conditions=[disrupted("EvictionByEvictionAPI")]),
        EndReason.EVICTED,
        None,
        "drained",
    ),
    "tainted": (
        pod("Failed", conditions=[disrupted("DeletionByTaintManager")]),
        EndReason.LOST,
        None,
        "node",
    ),
    "collected": (pod("Failed", conditions=[disrupted("DeletionByPodGC")]), EndReason.LOST, None, "gone"),
    "spot by selector": (
        pod(
            "Failed",
            conditions=[disrupted("TerminationByKubelet")],
            spec={"nodeSelector": {"karpenter.sh/capacity-type": "spot"}},
        ),
        EndReason.SPOT,
        None,
        "",
    ),
    "spot by toleration": (
        pod("Failed", reason="Terminated", spec={"tolerations": [{"key": "cloud.google.com/gke-spot"}]}),
        EndReason.SPOT,
        None,
        "",
    ),
    "node lost": (pod("Failed", reason="NodeLost"), EndReason.LOST, None, "does not answer"),
    "oom beats disruption": (
        pod("Failed", conditions=[disrupted("TerminationByKubelet")], container=ended("OOMKilled", 137)),
        EndReason.OUT_OF_MEMORY,
        -9,
        "",
    ),
    "no command": (
        pod("Failed", container=ended("StartError", 128, message="no such file")),
        EndReason.IMAGE,
        128,
        "no such file",
    ),
    "deleted": (
        pod("Failed", meta=DELETED, container=ended("Error", 143)),
        EndReason.STOPPED,
        -15,
        "somebody",
    ),
    "deleted, but it failed by itself": (
        pod("Failed", meta=DELETED, container=ended("Error", 1)),
        EndReason.FAILED,
        1,
        "",
    ),
    "nobody says": (pod("Failed"), EndReason.FAILED, None, "nobody says why"),
}


@pytest.mark.parametrize("name", ENDS)
def test_an_end_is_told_with_its_reason(name: str) -> None:
    given, reason, code, words = ENDS[name]
    sight = read_pod(given)
    assert sight.phase is Phase.ENDED
    assert sight.end is not None
    assert (sight.end.reason, sight.end.exit_code) == (reason, code)
    assert words in sight.end.message


def test_what_we_stopped_is_told_as_stopped() -> None:
    sight = read_pod(pod("Failed", meta=DELETED, container=ended("Error", 143)), is_stopped=True)
    assert sight.end is not None
    assert (sight.end.reason, sight.end.message) == (EndReason.STOPPED, "stopped")


def test_a_container_that_failed_before_the_step_is_why() -> None:
    status = {
        "initContainerStatuses": [
            {"name": "wait-for-leader", "state": ended("Error", 1, message="no leader")}
        ]
    }
    sight = read_pod(pod("Failed", **status))
    assert sight.end is not None
    assert sight.end.message == "exit code 1: no leader"


def test_a_step_is_over_though_its_sidecar_is_not() -> None:
    both = {"containers": [{"name": "main"}, {"name": "proxy"}]}
    sight = read_pod(pod("Running", spec=both, container=ended("Completed", 0)))
    assert sight.end is not None
    assert sight.end.reason is EndReason.SUCCEEDED
    failed = read_pod(pod("Running", spec=both, container=ended("Error", 2)))
    assert failed.end is not None
    assert failed.end.exit_code == 2


WAITS = {
    "unschedulable": (
        pod(
            conditions=[
                {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3"}
            ]
        ),
        "Unschedulable: 0/3",
        Hopeless.NODE,
    ),
    "gated": (
        pod(conditions=[{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]),
        "SchedulingGated",
        None,
    ),
    "no image": (
        pod(container={"waiting": {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "x"'}}),
        'ImagePullBackOff: Back-off pulling image "x"',
        Hopeless.IMAGE,
    ),
    "no secret": (
        pod(
            container={"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "k" not found'}}
        ),
        'CreateContainerConfigError: secret "k" not found',
        Hopeless.CONFIGURATION,
    ),
    "being made": (pod(container={"waiting": {"reason": "ContainerCreating"}}), "", None),
    "new": (pod(), "", None),
}


@pytest.mark.parametrize("name", WAITS)
def test_why_a_pod_waits_is_told(name: str) -> None:
    given, note, hopeless = WAITS[name]
    sight = read_pod(given)
    assert (sight.phase, sight.note, sight.hopeless) == (Phase.PENDING, note, hopeless)


def test_a_pod_that_is_being_deleted_says_how_long_it_has() -> None:
    sight = read_pod(pod("Running", meta=DELETED))
    assert (sight.phase, sight.note, sight.leaving_s) == (Phase.RUNNING, "is being deleted", 30.0)
    disrupted_sight = read_pod(pod("Running", meta=DELETED, conditions=[disrupted("DeletionByTaintManager")]))
    assert "does not answer" in disrupted_sight.note


def test_a_node_that_is_silent_is_noted() -> None:
    assert "node-1 does not answer" in read_pod(pod("Unknown")).note


def test_messages_are_short_and_on_one_line() -> None:
    sight = read_pod(pod("Failed", container=ended("Error", 1, message="a\nb\x1b[31m" + "x" * 10_000)))
    assert sight.end is not None
    assert len(sight.end.message) <= 500
    assert sight.end.message.isprintable()


@pytest.mark.parametrize(
    ("seen", "is_stopped", "reason"),
    [
        (None, False, EndReason.LOST),
        (None, True, EndReason.STOPPED),
        (pod("Running"), False, EndReason.LOST),
        (pod("Running", meta=DELETED), False, EndReason.STOPPED),
        (pod("Running", meta=DELETED), True, EndReason.STOPPED),
        (
            pod("Running", meta=DELETED, conditions=[disrupted("DeletionByTaintManager")]),
            False,
            EndReason.LOST,
        ),
        (
            pod("Running", meta=DELETED, conditions=[disrupted("PreemptionByScheduler")]),
            False,
            EndReason.EVICTED,
        ),
        (pod("Succeeded"), False, EndReason.SUCCEEDED),
        (pod("Failed", container=ended("OOMKilled", 137)), True, EndReason.OUT_OF_MEMORY),
    ],
)
def test_a_pod_that_is_gone_is_told_by_what_was_last_seen_of_it(
    seen: dict[str, Any] | None, is_stopped: bool, reason: EndReason
) -> None:
    assert gone(seen, is_stopped=is_stopped).reason is reason


def test_the_servers_times_are_utc() -> None:
    assert seconds_of("1970-01-02T00:00:00Z") == 86400.0
    assert seconds_of("1970-01-02T00:00:00.123456Z") == 86400.0


def test_a_result_that_the_pod_brings_is_no_message_for_people() -> None:
    text = "asyncflow-result:c2VhbGVk"
    good = read_pod(pod("Succeeded", container=ended("Completed", 0, message=text))).end
    bad = read_pod(pod("Failed", container=ended("Error", 1, message=text))).end

    assert good is not None
    assert bad is not None
    assert (good.reason, good.message, good.result) == (EndReason.SUCCEEDED, "", text)
    assert (bad.reason, bad.message, bad.result) == (EndReason.FAILED, "exit code 1", text)

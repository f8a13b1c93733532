"""What a pod's status means: where it is, why it waits, how it ended. Pure.

Sources: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/ and .../pods/disruptions/
"""

from __future__ import annotations

import calendar
import time
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from asyncflow.backends.kubernetes.names import CONTAINER
from asyncflow.backends.kubernetes.parts import NOTHING, Json, many, part, text
from asyncflow.backends.remote.handover import is_handed_over
from asyncflow.backends.remote.platform import End, EndReason, Phase
from asyncflow.text import one_line

__all__ = ["Hopeless", "Sight", "gone", "read_pod", "seconds_of"]

_LONGEST = 500
"""Characters of a message."""

_NO_IMAGE = (
    "ErrImagePull",
    "ImagePullBackOff",
    "ErrImageNeverPull",
    "InvalidImageName",
    "ImageInspectError",
    "RegistryUnavailable",
    "SignatureValidationFailed",
)
_NO_COMMAND = ("StartError", "ContainerCannotRun", "RunContainerError")
_NO_CONTAINER = ("CreateContainerConfigError", "CreateContainerError")
_USUAL = ("ContainerCreating", "PodInitializing")
_TAKEN_AWAY = (
    "Preempting",
    "Preempted",
    "NodeShutdown",
    "Shutdown",
    "Terminated",
    "NodeAffinity",
    "UnexpectedAdmissionError",
)
_DISRUPTED = {
    "PreemptionByScheduler": "preempted by a pod of higher priority",
    "EvictionByEvictionAPI": "evicted: its node is drained",
    "TerminationByKubelet": "ended by its node, which ran short of something or shuts down",
}
_NODE_GONE = {
    "DeletionByTaintManager": "its node does not answer, or may no longer run it",
    "DeletionByPodGC": "its node is gone",
}
_OWN_DISK = (
    "ephemeral local storage usage exceeds",
    "ephemeral-storage",
    "exceeds the limit",
    "exceeds the total limit",
)
_SPOT_WORDS = ("spot", "preemptible")
"""In what a pod asks of its node: gke-spot, capacity-type=spot, capacityType=SPOT, scalesetpriority=spot, ..."""
_STOPPING_CODES = (137, 143)
_KILLED, _CRASHED = 137, 139


class Hopeless(StrEnum):
    """What will not get better by itself, as a rule."""

    IMAGE = "image"
    """It cannot be pulled, or not be started."""
    CONFIGURATION = "configuration"
    """A secret, a config map or a volume is missing."""
    NODE = "node"
    """There is no node for it now."""


class Sight(NamedTuple):
    """What is to be seen of a pod."""

    phase: Phase
    note: str = ""
    """Why it waits."""
    end: End | None = None
    hopeless: Hopeless | None = None
    """It waits for what may never come."""
    leaving_s: float | None = None
    """It is being deleted, and its node should end it within so many seconds."""


def read_pod(pod: Json, *, is_stopped: bool = False) -> Sight:
    """Read a pod.

    Args:
        pod: As the server tells it.
        is_stopped: Whether we asked it to end.
    """
    status = part(pod, "status")
    phase = status.get("phase")
    if phase in ("Succeeded", "Failed"):
        return Sight(Phase.ENDED, end=_end(pod, status, is_stopped=is_stopped))
    leaving_s = _leaving_s(pod)
    if phase == "Unknown" or status.get("reason") == "NodeLost":
        return Sight(Phase.RUNNING, note=_node_note(pod, status), leaving_s=leaving_s)
    if phase == "Running":
        if _is_alone_over(pod, status):
            return Sight(Phase.ENDED, end=_end(pod, status, is_stopped=is_stopped))
        note = "" if leaving_s is None else _leaving_note(pod, status)
        return Sight(Phase.RUNNING, note=note, leaving_s=leaving_s)
    note, hopeless = _waiting(status)
    return Sight(Phase.PENDING, note=note, hopeless=hopeless, leaving_s=leaving_s)


def gone(pod: Json | None, *, is_stopped: bool) -> End:
    """Say how a pod ended whose object is gone.

    Args:
        pod: As it was last seen, or as the server told its deletion. None: never seen.
        is_stopped: Whether we asked it to end.
    """
    if pod is None:
        reason = EndReason.STOPPED if is_stopped else EndReason.LOST
        return End(reason, "stopped" if is_stopped else "the pod is gone and nobody says why")
    status = part(pod, "status")
    if status.get("phase") in ("Succeeded", "Failed"):
        return _end(pod, status, is_stopped=is_stopped)
    if is_stopped:
        return End(EndReason.STOPPED, "stopped")
    disrupted = _disruption(pod, status)
    if disrupted is not None:
        return disrupted
    if text(pod, "metadata", "deletionTimestamp"):
        return End(EndReason.STOPPED, "the pod was deleted by somebody, not by asyncflow")
    return End(EndReason.LOST, "the pod is gone and nobody says why")


def seconds_of(moment: str) -> float:
    """Return a time of the server's as seconds since the epoch. Raises ValueError."""
    return float(calendar.timegm(time.strptime(moment[:19], "%Y-%m-%dT%H:%M:%S")))


# How it ended


def _is_alone_over(pod: Json, status: Json) -> bool:
    """Whether the step has ended and containers of the user's template have not: nobody waits for those."""
    main = next((state for name, state in _states(status) if name == CONTAINER), NOTHING)
    return bool(main.get("terminated")) and len(many(pod, "spec", "containers")) > 1


def _end(pod: Json, status: Json, *, is_stopped: bool) -> End:
    ended = _ended_container(status)
    message = text(ended, "message")
    if is_handed_over(message):
        ended = {**ended, "message": ""}
        return _reason(pod, status, ended, is_stopped=is_stopped)._replace(result=message)
    return _reason(pod, status, ended, is_stopped=is_stopped)


def _reason(pod: Json, status: Json, ended: Json, *, is_stopped: bool) -> End:
    code = ended.get("exitCode")
    if status.get("phase") == "Succeeded" or (code == 0 and status.get("phase") == "Running"):
        return End(EndReason.SUCCEEDED, exit_code=0)
    exit_code = _exit_code(code) if isinstance(code, int) else None
    told = _by_the_pod(pod, status, ended)
    if told is not None:
        return End(told.reason, told.message, exit_code)
    if ended.get("reason") == "OOMKilled":
        return End(EndReason.OUT_OF_MEMORY, _oom_message(pod), exit_code)
    if ended.get("reason") in _NO_COMMAND:
        return End(EndReason.IMAGE, _text("cannot be started", ended.get("message")), exit_code)
    if is_stopped:
        return End(EndReason.STOPPED, "stopped", exit_code)
    if text(pod, "metadata", "deletionTimestamp") and code in _STOPPING_CODES:
        return End(EndReason.STOPPED, "the pod was deleted by somebody, not by asyncflow", exit_code)
    return End(EndReason.FAILED, _failure_message(status, ended, code), exit_code)


def _by_the_pod(pod: Json, status: Json, ended: Json) -> End | None:
    """Read the reasons that Kubernetes gives for the pod as a whole."""
    reason, message = text(status, "reason"), text(status, "message")
    if reason == "DeadlineExceeded":
        return End(EndReason.TIMED_OUT, _text("ran longer than the pod may", message))
    if (
        reason == "Evicted"
        and any(words in message for words in _OWN_DISK)
        and "low on resource" not in message
    ):
        return End(EndReason.FAILED, _text("used more disk than it may: raise disk or tmpfs_size", message))
    if ended.get("reason") == "OOMKilled":
        return None  # also where its node was about to go: it needed more memory than it may have
    if reason == "Evicted" or reason in _TAKEN_AWAY or reason.startswith("OutOf"):
        return End(_taken(pod), _text(reason, message))
    if reason == "NodeLost":
        return End(EndReason.LOST, _text("its node does not answer", message))
    return _disruption(pod, status)


def _disruption(pod: Json, status: Json) -> End | None:
    condition = _condition(status, "DisruptionTarget")
    if condition is None or condition.get("status") != "True":
        return None
    reason, message = text(condition, "reason"), text(condition, "message")
    if reason in _NODE_GONE:
        spot = _is_spot(pod)
        return End(EndReason.SPOT if spot else EndReason.LOST, _text(_NODE_GONE[reason], message))
    return End(_taken(pod), _text(_DISRUPTED.get(reason, reason), message))


def _taken(pod: Json) -> EndReason:
    return EndReason.SPOT if _is_spot(pod) else EndReason.EVICTED


def _is_spot(pod: Json) -> bool:
    """Whether the pod asks for, or bears, a machine that may be reclaimed."""
    asked = list(part(pod, "spec", "nodeSelector").items())
    asked += [(text(one, "key"), text(one, "value")) for one in many(pod, "spec", "tolerations")]
    return any(
        any(word in f"{key} {value}".lower() for word in _SPOT_WORDS) and value != "false"
        for key, value in asked
    )


def _ended_container(status: Json) -> Json:
    """Return how the step's container ended, or the one that kept it from starting."""
    ended = {name: part(state, "terminated") for name, state in _states(status)}
    if ended.get(CONTAINER):
        return ended[CONTAINER]
    return next((one for one in ended.values() if one.get("exitCode")), NOTHING)


def _states(status: Json) -> Iterator[tuple[str, Json]]:
    for kind in ("initContainerStatuses", "containerStatuses"):
        for one in many(status, kind):
            yield text(one, "name"), part(one, "state")


def _exit_code(code: int) -> int:
    """Return a container's exit code as waitpid tells it: 128 + n is the signal n."""
    return 128 - code if 128 < code <= 192 else code


def _oom_message(pod: Json) -> str:
    main = next((one for one in many(pod, "spec", "containers") if one.get("name") == CONTAINER), NOTHING)
    limit = text(main, "resources", "limits", "memory")
    return (
        f"needed more memory than it may have ({limit})" if limit else "needed more memory than it may have"
    )


def _failure_message(status: Json, ended: Json, code: object) -> str:
    if code == _KILLED:
        what = "killed by SIGKILL, as happens to what needs more memory than it may have"
    elif code == _CRASHED:
        what = "segmentation fault"
    elif code is None:
        what = status.get("reason") or "failed, and nobody says why"
    else:
        what = f"exit code {code}"
    return _text(what, ended.get("message") or status.get("message"))


# Why it waits


def _waiting(status: Json) -> tuple[str, Hopeless | None]:
    scheduled = _condition(status, "PodScheduled")
    if scheduled is not None and scheduled.get("status") == "False":
        reason = text(scheduled, "reason") or "Unschedulable"
        hopeless = Hopeless.NODE if reason == "Unschedulable" else None
        return _text(reason, scheduled.get("message")), hopeless
    for _, state in _states(status):
        waiting = part(state, "waiting")
        reason = text(waiting, "reason")
        if reason in _NO_IMAGE or reason in _NO_COMMAND:
            return _text(reason, waiting.get("message")), Hopeless.IMAGE
        if reason in _NO_CONTAINER:
            return _text(reason, waiting.get("message")), Hopeless.CONFIGURATION
        if reason and reason not in _USUAL:
            return _text(reason, waiting.get("message")), None
    return "", None


def _node_note(pod: Json, status: Json) -> str:
    node = text(pod, "spec", "nodeName")
    return _text(f"node {node} does not answer", status.get("message"))


def _leaving_note(pod: Json, status: Json) -> str:
    disrupted = _disruption(pod, status)
    return disrupted.message if disrupted is not None else "is being deleted"


def _leaving_s(pod: Json) -> float | None:
    metadata = part(pod, "metadata")
    if not metadata.get("deletionTimestamp"):
        return None
    return float(metadata.get("deletionGracePeriodSeconds") or 0)


def _condition(status: Json, kind: str) -> Json | None:
    return next((one for one in many(status, "conditions") if one.get("type") == kind), None)


def _text(what: str, more: object) -> str:
    text = f"{what}: {more}" if more and more != what else what
    return one_line(text.strip(), _LONGEST)

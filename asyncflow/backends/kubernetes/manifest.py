"""The pod of an attempt, as it is sent. Pure."""

from __future__ import annotations

from typing import Any

from asyncflow.backends.kubernetes.names import (
    ATTEMPT,
    CONTAINER,
    PREFIX,
    TASK,
    TTL,
    labels_of,
    legal_label,
)
from asyncflow.backends.kubernetes.options import PodOptions
from asyncflow.backends.kubernetes.parts import Json
from asyncflow.backends.kubernetes.template import Overlay, lay_over
from asyncflow.backends.remote.handover import RESULT_FILE_VARIABLE
from asyncflow.backends.remote.platform import INDEX_VARIABLE, Job

__all__ = ["Manifest", "cores", "plain", "pod_of", "pod_shape", "quantity"]

Manifest = dict[str, Any]  # Any: JSON
"""An object as it is sent; of JSON's types only."""

_MEMORY = "Memory"
_SHARED = "shared-memory"
_TMPFS = "tmpfs"
_MESSAGE_PATH = "/dev/termination-log"
_PYTHONS = ("python", "python3")
_FACTS = {
    "POD_NAME": "metadata.name",
    "POD_NAMESPACE": "metadata.namespace",
    "NAMESPACE": "metadata.namespace",
    "POD_ID": "metadata.uid",
    "POD_SERVICE_ACCOUNT_NAME": "spec.serviceAccountName",
    "SERVICE_ACCOUNT_NAME": "spec.serviceAccountName",
    "NODE_NAME": "spec.nodeName",
    "NODE_IP": "status.hostIP",
}
"""What a pod is told of itself: METAFLOW_KUBERNETES_X."""


def pod_of(job: Job, shape: Json) -> Manifest:
    """Return the pod of one attempt, made of its step's shape.

    Args:
        job: The attempt.
        shape: What `pod_shape` made for a job of the same step, size and environment. It is shared, not changed.
    """
    metadata: Json = shape["metadata"]
    spec: Json = shape["spec"]
    index = {"name": INDEX_VARIABLE, "value": str(job.index)}
    containers = [
        {**one, "env": [*one.get("env", ()), index]} if one["name"] == CONTAINER else one
        for one in spec["containers"]
    ]
    labels = {**metadata["labels"], TASK: str(job.attempt.task), ATTEMPT: str(job.attempt.number)}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**metadata, "name": job.name, "labels": labels},
        "spec": {**spec, "containers": containers},
    }


def pod_shape(job: Job, options: PodOptions, overlay: Overlay | None = None) -> Manifest:
    """Return all that the pods of jobs like this one have in common: `metadata` and `spec`, the overlay laid on.

    Args:
        job: Any of them.
        options: What the step asks for.
        overlay: The user's template.
    """
    shape = {"metadata": _metadata(job, options), "spec": _spec(job, options)}
    return lay_over(shape, overlay) if overlay else shape


def quantity(megabytes: float) -> str:
    """Return an amount of memory or disk as Kubernetes writes it."""
    return f"{megabytes:.0f}M" if megabytes >= 1 else f"{max(1, round(megabytes * 1000))}k"


def plain(text: str) -> str:
    """Return a text of a command or a variable so that it arrives as it is: Kubernetes replaces `$(NAME)` and `$$`."""
    return text.replace("$", "$$") if "$(" in text or "$$" in text else text


def cores(cpu: float) -> str:
    """Return an amount of cores as Kubernetes writes it."""
    return f"{cpu:.0f}" if cpu == int(cpu) else f"{max(1, round(cpu * 1000))}m"


def _metadata(job: Job, options: PodOptions) -> Manifest:
    exact = {"flow": job.flow, "step": job.step, "user": job.user}
    changed = {f"{PREFIX}{name}": value for name, value in exact.items() if legal_label(value) != value}
    annotations = {**options.annotations, **changed}
    if options.ttl_s is not None:
        annotations[TTL] = str(options.ttl_s)
    metadata: Manifest = {"namespace": options.namespace, "labels": {**options.labels, **labels_of(job)}}
    return {**metadata, "annotations": annotations} if annotations else metadata


def _spec(job: Job, options: PodOptions) -> Manifest:
    spec: Manifest = {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": options.deadline_s,
        "terminationGracePeriodSeconds": options.grace_s,
        "enableServiceLinks": False,
        "containers": [_container(job, options)],
    }
    optional = {
        "serviceAccountName": options.service_account,
        "nodeSelector": dict(options.node_selector),
        "tolerations": [dict(one) for one in options.tolerations],
        "imagePullSecrets": [{"name": name} for name in options.image_pull_secrets],
        "volumes": _volumes(options),
    }
    return {**spec, **{name: value for name, value in optional.items() if value}}


def _container(job: Job, options: PodOptions) -> Manifest:
    container: Manifest = {
        "name": CONTAINER,
        "image": options.image,
        "command": [plain(word) for word in _command(job, options)],
        "env": _environment(job, options),
        "resources": _resources(options),
        "terminationMessagePath": _MESSAGE_PATH,
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    optional = {
        "imagePullPolicy": options.image_pull_policy,
        "envFrom": [{"secretRef": {"name": name}} for name in options.secrets],
        "volumeMounts": _mounts(options),
        "ports": [{"containerPort": options.port}] if options.port else None,
        "securityContext": options.security_context and dict(options.security_context),
    }
    return {**container, **{name: value for name, value in optional.items() if value}}


def _command(job: Job, options: PodOptions) -> tuple[str, ...]:
    """Return what runs; `executable` takes the place of an interpreter that is named without a path."""
    if options.executable and job.command and job.command[0] in _PYTHONS:
        return (options.executable, *job.command[1:])
    return job.command


def _environment(job: Job, options: PodOptions) -> list[Manifest]:
    given = {name: value for name, value in job.environment.items() if name != INDEX_VARIABLE}
    given["METAFLOW_KUBERNETES_WORKLOAD"] = "1"
    given[RESULT_FILE_VARIABLE] = _MESSAGE_PATH
    if options.tmpfs_mb is not None and options.is_tmpfs_tempdir:
        given["METAFLOW_TEMPDIR"] = options.tmpfs_path
    facts = {f"METAFLOW_KUBERNETES_{name}": path for name, path in _FACTS.items()}
    made = [{"name": name, "value": plain(value)} for name, value in given.items() if name not in facts]
    return made + [{"name": name, "valueFrom": {"fieldRef": {"fieldPath": facts[name]}}} for name in facts]


def _resources(options: PodOptions) -> Manifest:
    requests = {
        "cpu": cores(options.cpu),
        "memory": quantity(options.memory_mb),
        "ephemeral-storage": quantity(options.disk_mb),
        **options.gpus,
    }
    limits = {name: value for name, value in requests.items() if name != "cpu" or options.is_guaranteed}
    return {"requests": requests, "limits": limits}


def _volumes(options: PodOptions) -> list[Manifest]:
    volumes: list[Manifest] = [
        {"name": _claim_volume(number), "persistentVolumeClaim": {"claimName": claim}}
        for number, claim in enumerate(options.claims)
    ]
    in_memory = ((_SHARED, options.shared_memory_mb), (_TMPFS, options.tmpfs_mb))
    for name, size_mb in in_memory:
        if size_mb is not None:
            volumes.append({"name": name, "emptyDir": {"medium": _MEMORY, "sizeLimit": f"{size_mb}Mi"}})
    return volumes


def _mounts(options: PodOptions) -> list[Manifest]:
    mounts: list[Manifest] = [
        {"name": _claim_volume(number), "mountPath": path}
        for number, path in enumerate(options.claims.values())
    ]
    if options.shared_memory_mb is not None:
        mounts.append({"name": _SHARED, "mountPath": "/dev/shm"})  # noqa: S108 - where a pod has it
    if options.tmpfs_mb is not None:
        mounts.append({"name": _TMPFS, "mountPath": options.tmpfs_path})
    return mounts


def _claim_volume(number: int) -> str:
    """Return a volume's name: a claim's own may be longer than one may be."""
    return f"claim-{number}"

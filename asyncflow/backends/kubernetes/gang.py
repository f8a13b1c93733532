"""A gang: an indexed Job whose pods know each other through a headless Service. Pure.

A member's host name is the same for all its attempts, so that one which is tried again alone, in a pod of its own, is
found by the others under the name they know.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from asyncflow.backends.kubernetes.manifest import Manifest, plain, pod_of
from asyncflow.backends.kubernetes.names import (
    CONTAINER,
    GANG,
    GANG_ATTEMPTS,
    INDEX_ANNOTATION,
    OWNER,
    RUN,
    gang_name,
    host_name,
)
from asyncflow.backends.kubernetes.options import DAY_S, PodOptions
from asyncflow.backends.kubernetes.parts import Json
from asyncflow.backends.remote.platform import Gang, Job, array_environment

__all__ = ["INDEX_NAME", "gang_job", "gang_service", "is_whole", "member_pod", "owned_by", "with_gang"]

INDEX_NAME = "JOB_COMPLETION_INDEX"
"""The variable in which Kubernetes tells a pod of an indexed Job its index."""

_MASTER_PORT = 29500
_WEEK_S = 7 * DAY_S
_MOST_FAILURES = 2**31 - 1
_WAIT = """
import os, socket, sys, time
host, until = os.environ["MF_MASTER_ADDR"], time.time() + float(sys.argv[1])
while True:
    try:
        socket.getaddrinfo(host, None)
        break
    except OSError as error:
        if time.time() > until:
            sys.exit(f"The gang's leader cannot be found under its name {host}: {error}")
        time.sleep(1)
""".strip()
"""Waits until the leader has a name: pods of a gang start in any order."""


def is_whole(jobs: Sequence[Job]) -> bool:
    """Whether jobs, in the order of the gang, can be one indexed Job: all members, at their first attempt."""
    first = jobs[0]
    return (
        first.gang is not None
        and len(jobs) == first.gang.size
        and all(
            job.gang is not None
            and job.gang.index == place
            and job.index == first.index + place
            and job.attempt.number == 0
            for place, job in enumerate(jobs)
        )
    )


def with_gang(shape: Json, job: Job, gang: Gang, options: PodOptions) -> Manifest:
    """Return a pod's shape with what members of a gang have in common."""
    spec: Json = shape["spec"]
    metadata: Json = shape["metadata"]
    containers = [_with_variables(one, job, gang, options) for one in spec["containers"]]
    main = next(one for one in containers if one["name"] == CONTAINER)
    waiting = {
        "name": "wait-for-leader",
        **{
            name: main[name]
            for name in ("image", "imagePullPolicy", "resources", "securityContext")
            if name in main
        },
        "command": [options.executable or "python", "-c", _WAIT, str(options.resolution_timeout_s)],
        "env": [variable for variable in main["env"] if variable["name"] == "MF_MASTER_ADDR"],
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    return {
        "metadata": {**metadata, "labels": {**metadata["labels"], GANG: str(gang.id)}},
        "spec": {
            **spec,
            "subdomain": gang_name(job, gang),
            "initContainers": [*spec.get("initContainers", ()), waiting],
            "containers": containers,
        },
    }


def gang_job(jobs: Sequence[Job], shape: Json, options: PodOptions) -> Manifest:
    """Return the indexed Job of a whole gang.

    No failure of a member ends the others or makes Kubernetes start it again: that is for the flow's @retry to say.

    Args:
        jobs: All members, in their order; `is_whole`.
        shape: Of `with_gang`.
        options: What the step asks for.
    """
    leader = jobs[0]
    gang = leader.gang
    assert gang is not None
    metadata: Json = shape["metadata"]
    annotations = {**metadata.get("annotations", {}), GANG_ATTEMPTS: _attempts(jobs)}
    spec: Json = shape["spec"]
    added = {
        name: value
        for name, value in array_environment(jobs, INDEX_NAME).items()
        if name not in leader.environment
    }
    containers = [_with(one, added) if one["name"] == CONTAINER else one for one in spec["containers"]]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {**metadata, "name": gang_name(leader, gang), "annotations": annotations},
        "spec": {
            "completionMode": "Indexed",
            "completions": gang.size,
            "parallelism": gang.size,
            "backoffLimitPerIndex": 0,
            "backoffLimit": _MOST_FAILURES,
            "podReplacementPolicy": "Failed",
            "ttlSecondsAfterFinished": _WEEK_S if options.ttl_s is None else options.ttl_s,
            "template": {
                "metadata": {"labels": metadata["labels"], "annotations": annotations},
                "spec": {**spec, "containers": containers},
            },
        },
    }


def member_pod(job: Job, shape: Json) -> Manifest:
    """Return the pod of one member that runs apart from the gang's Job. `shape` is of `with_gang`."""
    gang = job.gang
    assert gang is not None
    pod = pod_of(job, shape)
    pod["spec"]["hostname"] = host_name(job, gang, gang.index)
    return _with_node_index(pod, gang.index)


def gang_service(jobs: Sequence[Job], gang: Gang, options: PodOptions) -> Manifest:
    """Return the headless Service of a gang. `jobs` are those who need it now."""
    job = jobs[0]
    labels = {OWNER: job.owner, RUN: str(job.run), GANG: str(gang.id)}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": gang_name(job, gang),
            "namespace": options.namespace,
            "labels": {**labels, "app.kubernetes.io/managed-by": "asyncflow"},
            "annotations": {GANG_ATTEMPTS: _attempts(jobs)},
        },
        "spec": {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": labels},
    }


def owned_by(owner: Json) -> Manifest:
    """Return what to add to a Service (strategic merge), so that it goes with a Job or Pod as the server told it."""
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
    }
    return {"metadata": {"ownerReferences": [reference]}}


def _attempts(jobs: Sequence[Job]) -> str:
    return json.dumps([list(job.attempt) for job in jobs], separators=(",", ":"))


def _with_variables(container: Json, job: Job, gang: Gang, options: PodOptions) -> Json:
    if container["name"] != CONTAINER:
        return container
    name = gang_name(job, gang)
    variables = {
        "MF_MASTER_ADDR": f"{host_name(job, gang, 0)}.{name}",
        "MF_MASTER_PORT": str(options.port or _MASTER_PORT),
        "MF_WORLD_SIZE": str(gang.size),
        "MF_PARALLEL_NUM_NODES": str(gang.size),
        "MF_CONTROL_INDEX": "0",
    }
    made = _with(container, {name: variables[name] for name in variables if name not in job.environment})
    path = f"metadata.annotations['{INDEX_ANNOTATION}']"
    node = {"name": "MF_PARALLEL_NODE_INDEX", "valueFrom": {"fieldRef": {"fieldPath": path}}}
    return {**made, "env": [*made["env"], node]}


def _with_node_index(pod: Manifest, index: int) -> Manifest:
    """Give a pod without a Job the annotation that a Job's pods have."""
    annotations = {**pod["metadata"].get("annotations", {}), INDEX_ANNOTATION: str(index)}
    pod["metadata"]["annotations"] = annotations
    return pod


def _with(container: Json, variables: Mapping[str, str]) -> Manifest:
    more = [{"name": name, "value": plain(value)} for name, value in variables.items()]
    return {**container, "env": [*container.get("env", ()), *more]}

"""What is on the cluster of an owner: listed and removed for `reap`, swept when its time to live is over."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence

from asyncflow.backends.kubernetes.api import Api, Rejected
from asyncflow.backends.kubernetes.names import (
    GANG,
    GANG_ATTEMPTS,
    RUN,
    TASK,
    TTL,
    attempts_of,
    identity_of,
    selector,
)
from asyncflow.backends.kubernetes.parts import Json, many, part, text
from asyncflow.backends.kubernetes.reading import seconds_of
from asyncflow.backends.remote.platform import JobRef
from asyncflow.errors import PlatformError

__all__ = ["list_owned", "remove_owned", "sweep"]

_LOG = logging.getLogger(__name__)
_OVER = ("Succeeded", "Failed")
_PODS, _JOBS, _SERVICES = "pods", "jobs", "services"
_APIS = {_PODS: "/api/v1", _JOBS: "/apis/batch/v1", _SERVICES: "/api/v1"}


async def list_owned(api: Api, owner: str, run: int | None, namespace: str) -> list[JobRef]:
    """List pods and gangs of an owner: in all namespaces, if that is allowed, else in the one given.

    Raises Rejected, ClusterError.
    """
    labels = selector(owner, run)
    pods = await _list(api, _PODS, labels, namespace)
    jobs = await _list(api, _JOBS, f"{labels},{GANG}", namespace)
    services = await _list(api, _SERVICES, f"{labels},{GANG}", namespace)
    # One with an owner goes with it; one without was left by a scheduler that died before it had asked for pods.
    jobs += [one for one in services if not many(one, "metadata", "ownerReferences")]
    refs = [ref for pod in pods if (ref := _pod_ref(pod)) is not None]
    return [*refs, *(ref for job in jobs for ref in _job_refs(job))]


async def remove_owned(api: Api, ids: Sequence[str]) -> None:
    """Remove pods and gangs by the ids that `list_owned` gave. Raises Rejected, ClusterError."""
    for one in dict.fromkeys(ids):
        kind, namespace, name = one.split("/")
        await api.delete(f"{_APIS[kind]}/namespaces/{namespace}/{kind}/{name}")


async def sweep(api: Api, owner: str, namespaces: Sequence[str]) -> None:
    """Remove ended pods of an owner's runs whose time to live is over. What goes wrong is left for the next run."""
    for namespace in namespaces:
        try:
            pods, _ = await api.list(f"{_APIS[_PODS]}/namespaces/{namespace}/pods", selector(owner))
            for pod in pods:
                if _is_expired(pod, time.time()):
                    await api.delete(f"{_APIS[_PODS]}/namespaces/{namespace}/pods/{pod['metadata']['name']}")
        except (Rejected, PlatformError) as error:
            _LOG.info("old pods in %s are not removed: %s", namespace, error)


async def _list(api: Api, kind: str, labels: str, namespace: str) -> list[Json]:
    """List objects of a kind; who may not see Jobs or Services has none."""
    for path in (f"{_APIS[kind]}/{kind}", f"{_APIS[kind]}/namespaces/{namespace}/{kind}"):
        try:
            return [{**one, "plural": kind} for one in (await api.list(path, labels))[0]]
        except Rejected as rejected:
            if rejected.status != 403:
                raise
            if kind == _PODS and "/namespaces/" in path:
                raise
    return []


def _pod_ref(pod: Json) -> JobRef | None:
    metadata: Json = pod["metadata"]
    identity = identity_of(metadata)
    if identity is None or TASK not in metadata["labels"]:
        return None  # a gang's, which goes with its Job
    return JobRef(
        id=f"{_PODS}/{metadata['namespace']}/{metadata['name']}",
        run=identity.run,
        attempt=identity.attempt,
        created_at=seconds_of(metadata["creationTimestamp"]),
        is_over=text(pod, "status", "phase") in _OVER,
    )


def _job_refs(job: Json) -> Iterator[JobRef]:
    metadata: Json = job["metadata"]
    conditions = many(job, "status", "conditions")
    is_over = job["plural"] == _SERVICES or any(
        one.get("type") in ("Complete", "Failed") and one.get("status") == "True" for one in conditions
    )
    if GANG_ATTEMPTS not in part(metadata, "annotations"):
        return
    for attempt in attempts_of(metadata):
        yield JobRef(
            id=f"{job['plural']}/{metadata['namespace']}/{metadata['name']}",
            run=int(metadata["labels"][RUN]),
            attempt=attempt,
            created_at=seconds_of(metadata["creationTimestamp"]),
            is_over=is_over,
        )


def _is_expired(pod: Json, now: float) -> bool:
    metadata: Json = pod["metadata"]
    ttl = text(metadata, "annotations", TTL)
    if text(pod, "status", "phase") not in _OVER or not ttl.isdecimal():
        return False
    return now - _ended_at(metadata, part(pod, "status")) > int(ttl)


def _ended_at(metadata: Json, status: Json) -> float:
    """Return when a pod ended, as far as it says."""
    ends = [text(one, "state", "terminated", "finishedAt") for one in many(status, "containerStatuses")]
    known = [seconds_of(end) for end in ends if end]
    return max(known) if known else seconds_of(metadata["creationTimestamp"])

"""What one run asks the cluster for: pods, gangs, and their end. Each call is safe to repeat."""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import anyio

from asyncflow.backends.kubernetes.api import Api, Rejected
from asyncflow.backends.kubernetes.gang import gang_job, gang_service, member_pod, owned_by, with_gang
from asyncflow.backends.kubernetes.jsontext import decode
from asyncflow.backends.kubernetes.manifest import Manifest, pod_of, pod_shape
from asyncflow.backends.kubernetes.names import OWNER, RUN, Identity, attempts_of, gang_name, identity_of
from asyncflow.backends.kubernetes.options import Defaults, PodOptions, resolve
from asyncflow.backends.kubernetes.pacing import pause_s
from asyncflow.backends.kubernetes.parts import Json, part, text
from asyncflow.backends.kubernetes.template import Overlay
from asyncflow.backends.remote.platform import Job

__all__ = ["Asker", "Foreign", "pods_path"]

_LOG = logging.getLogger(__name__)
_EXISTS = 409
_MISSING = 404
_MOST_SHAPES = 64
_MOST_CONFLICTS = 6


class Foreign(Exception):
    """There is an object of that name, and it is not ours."""


class _Shape(NamedTuple):
    options: PodOptions
    shape: Manifest
    environment: Mapping[str, str]


def pods_path(namespace: str, name: str = "") -> str:
    """Return the path of a namespace's pods, or of one of them."""
    return _path("/api/v1", namespace, "pods", name)


def _path(api: str, namespace: str, kind: str, name: str = "") -> str:
    return f"{api}/namespaces/{namespace}/{kind}" + (f"/{name}" if name else "")


class Asker:
    """Asks for the objects of one run.

    Args:
        api: The cluster.
        defaults: The settings.
        namespace: For steps that name none.
        overlay: The user's template.
    """

    def __init__(self, api: Api, *, defaults: Defaults, namespace: str, overlay: Overlay | None) -> None:
        self._api = api
        self._defaults = defaults
        self._namespace = namespace
        self._overlay = overlay
        self._shapes: dict[object, _Shape] = {}

    def options_of(self, job: Job) -> PodOptions:
        """Return what a job asks for. Raises BadOption."""
        return self._shape(job).options

    async def create_pod(self, job: Job) -> bytes | None:
        """Ask for a job's pod; return it as the server tells it, JSON, if it was there already.

        Raises:
            Rejected: The server said no.
            Foreign: There is a pod of that name, and it is somebody else's.
            ClusterError: The server does not answer.
        """
        options, shape, _ = self._shape(job)
        manifest = member_pod(job, shape) if job.gang is not None else pod_of(job, shape)
        path = pods_path(options.namespace)
        await self._create_service([job], options)
        made, found = await self._create_or_find(path, manifest, job)
        if job.gang is not None:
            await self._own_service(job, options, decode(made))
        return found

    async def create_gang(self, jobs: Sequence[Job]) -> None:
        """Ask for the Job of a whole gang, and for its Service. Raises as `create_pod`."""
        leader = jobs[0]
        options, shape, _ = self._shape(leader)
        assert leader.gang is not None
        path = _path("/apis/batch/v1", options.namespace, "jobs")
        await self._create_service(jobs, options)
        try:
            made = decode(await self._api.create(path, gang_job(jobs, shape, options)))
        except Rejected as rejected:
            if rejected.status != _EXISTS:
                raise
            made = await self._api.get(f"{path}/{gang_name(leader, leader.gang)}")
            if not _is_gang(made, jobs):
                raise Foreign(f"There is another Job {made['metadata']['name']} already") from rejected
        await self._own_service(leader, options, made)

    async def delete_pod(self, namespace: str, name: str, *, grace_s: int | None = None) -> bool:
        """Ask for a pod's end; return whether there was one. Raises Rejected, ClusterError."""
        return await self._api.delete(pods_path(namespace, name), grace_s=grace_s)

    async def delete_gang(self, namespace: str, name: str) -> bool:
        """Remove a gang's Job with its pods, and its Service; return whether there was a Job. Raises as above."""
        was_there = await self._api.delete(_path("/apis/batch/v1", namespace, "jobs", name))
        await self._api.delete(_path("/api/v1", namespace, "services", name))
        return was_there

    async def gang_state(self, namespace: str, name: str) -> tuple[bool, str]:
        """Return whether a gang's Job is there, and why it makes no pods, if it says. Raises Rejected, ClusterError."""
        try:
            await self._api.get(_path("/apis/batch/v1", namespace, "jobs", name))
        except Rejected as rejected:
            if rejected.status == _MISSING:
                return False, ""
            raise
        fields = f"involvedObject.name={name},involvedObject.kind=Job,reason=FailedCreate"
        try:
            events, _ = await self._api.list(_path("/api/v1", namespace, "events"), fields=fields)
        except Rejected:
            return True, ""  # not everybody may see events
        return True, text(events[-1], "message") if events else ""

    async def _create_service(self, jobs: Sequence[Job], options: PodOptions) -> None:
        """Ask for a gang's Service: before its pods, so that no name is asked for that is not there yet."""
        job = jobs[0]
        if job.gang is None:
            return
        try:
            path = _path("/api/v1", options.namespace, "services")
            await self._api.create(path, gang_service(jobs, job.gang, options))
        except Rejected as rejected:
            if rejected.status != _EXISTS:
                raise

    async def _own_service(self, job: Job, options: PodOptions, owner: Json) -> None:
        """Let the Service go when the object that uses it goes, whoever removes that."""
        assert job.gang is not None
        path = _path("/api/v1", options.namespace, "services", gang_name(job, job.gang))
        try:
            await self._api.patch(path, owned_by(owner))
        except Rejected as rejected:
            _LOG.info("the service of a gang is removed by us only: %s", rejected)

    async def _create_or_find(self, path: str, manifest: Manifest, job: Job) -> tuple[bytes, bytes | None]:
        """Return the pod, and it again if it was there already.

        A conflict over a pod that is not there is another one (a quota that changes, a pod that is just being
        removed): it is asked for again. The store sees to it that an attempt is run once.
        """
        tried = 0
        while True:
            tried += 1
            try:
                return await self._api.create(path, manifest), None
            except Rejected as rejected:
                if rejected.status != _EXISTS:
                    raise
                found = await self._ours(f"{path}/{job.name}", job)
                if found is not None:
                    return found, found
                if tried >= _MOST_CONFLICTS:
                    raise
            await anyio.sleep(pause_s(tried, random.random()))

    async def _ours(self, path: str, job: Job) -> bytes | None:
        """Return the pod that is there already, if it is the job's. None: there is none."""
        try:
            found = await self._api.request("GET", path)
        except Rejected as rejected:
            if rejected.status == _MISSING:
                return None
            raise
        if identity_of(decode(found)["metadata"]) != Identity(job.owner, job.run, job.attempt):
            raise Foreign(f"There is a pod {job.name} already, and it is not this run's")
        return found

    def _shape(self, job: Job) -> _Shape:
        """Return what pods of such jobs have in common; made once for the jobs of one submit."""
        key = (job.step, job.size, job.timeout_s, job.command, job.gang and job.gang.id)
        known = self._shapes.get(key)
        if known is not None and known.environment == job.environment:
            return known
        options = resolve(
            job.options, job.size, job.timeout_s, defaults=self._defaults, namespace=self._namespace
        )
        shape = pod_shape(job, options, self._overlay)
        if job.gang is not None:
            shape = with_gang(shape, job, job.gang, options)
        while len(self._shapes) >= _MOST_SHAPES:
            self._shapes.pop(next(iter(self._shapes)))
        made = self._shapes[key] = _Shape(options, shape, job.environment)
        return made


def _is_gang(made: Json, jobs: Sequence[Job]) -> bool:
    metadata = part(made, "metadata")
    labels = part(metadata, "labels")
    leader = jobs[0]
    is_ours = labels.get(OWNER) == leader.owner and labels.get(RUN) == str(leader.run)
    return is_ours and list(attempts_of(metadata)) == [job.attempt for job in jobs]

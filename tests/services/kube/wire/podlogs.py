"""Logs of pods: all of it, the end of it, or as it is written."""

from __future__ import annotations

import asyncio
import time
from calendar import timegm
from collections.abc import Mapping

from aiohttp import web

from tests.services.kube.cluster import Cluster
from tests.services.kube.kinds import PODS
from tests.services.kube.logs import Log
from tests.services.kube.objects import ApiError, Object, micro_timestamp, name_of, uid_of
from tests.services.kube.wire.target import Target, is_true


async def serve_log(cluster: Cluster, target: Target, request: web.Request) -> web.StreamResponse:
    """Send a container's log; with `follow` until the container ends.

    Raises:
        ApiError: 400, the container has not started, or which is meant is not said; 404.
    """
    query = request.query
    pod = cluster.store.get(PODS, target.namespace, target.name).item
    log = _log_of(
        cluster, pod, _container(pod, query.get("container", "")), previous=is_true(query, "previous")
    )
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await response.prepare(request)
    try:
        await _send(log, query, response)
    except ConnectionError:
        pass  # the client has enough
    return response


def _container(pod: Object, asked: str) -> str:
    containers = [*pod["spec"]["containers"], *(pod["spec"].get("initContainers") or [])]
    names = [one["name"] for one in containers]
    if not asked:
        if len(pod["spec"]["containers"]) > 1:
            listed = " ".join(names)
            message = f"a container name must be specified for pod {name_of(pod)}, choose one of: [{listed}]"
            raise ApiError(400, message)
        return str(names[0])
    if asked not in names:
        raise ApiError(400, f"container {asked} is not valid for pod {name_of(pod)}")
    return asked


def _log_of(cluster: Cluster, pod: Object, container: str, *, previous: bool) -> Log:
    log = cluster.logs.find(uid_of(pod), container, previous=previous)
    if log is not None:
        return log
    if previous:
        raise ApiError(400, f'previous terminated container "{container}" in pod "{name_of(pod)}" not found')
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    state = next((one["state"] for one in statuses if one["name"] == container), {})
    reason = (state.get("waiting") or {}).get("reason", "ContainerCreating")
    message = f'container "{container}" in pod "{name_of(pod)}" is waiting to start: {reason}'
    raise ApiError(400, message)


async def _send(log: Log, query: Mapping[str, str], response: web.StreamResponse) -> None:
    place = _start(log, query)
    left = int(query["limitBytes"]) if "limitBytes" in query else None
    with_time = is_true(query, "timestamps")
    while True:
        lines = log.lines[place:]
        place += len(lines)
        text = b"".join(_line(at, line, with_time) for at, line in lines)
        if left is not None:
            text = text[:left]
            left -= len(text)
        if text:
            await response.write(text)
        if left == 0 or (log.is_closed and place == len(log.lines)) or not is_true(query, "follow"):
            return
        await log.wait() if place == len(log.lines) else await asyncio.sleep(0)


def _line(at: float, line: bytes, with_time: bool) -> bytes:
    return f"{micro_timestamp(at)} ".encode() + line if with_time else line


def _start(log: Log, query: Mapping[str, str]) -> int:
    place = 0
    if "sinceSeconds" in query or "sinceTime" in query:
        since = time.time() - float(query.get("sinceSeconds", 0))
        if "sinceTime" in query:
            since = timegm(time.strptime(query["sinceTime"][:19], "%Y-%m-%dT%H:%M:%S"))
        place = next((place for place, (at, _) in enumerate(log.lines) if at >= since), len(log.lines))
    if "tailLines" in query:
        place = max(place, len(log.lines) - int(query["tailLines"]))
    return place

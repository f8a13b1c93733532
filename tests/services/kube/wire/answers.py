"""How objects are put into answers: one, a list, or a table as kubectl asks for."""

from __future__ import annotations

import json
import time
from calendar import timegm
from collections.abc import Callable, Iterable, Mapping

from aiohttp import web

from tests.services.kube.kinds import EVENTS, JOBS, PODS, Kind
from tests.services.kube.objects import ApiError, Object, is_deleting, name_of
from tests.services.kube.store import Stored

_JSON = "application/json"


def answer(text: bytes, status: int = 200) -> web.Response:
    """Return an answer of JSON that is encoded already."""
    return web.Response(body=text, status=status, content_type=_JSON)


def answer_object(item: Object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return an answer of JSON."""
    return web.Response(body=json.dumps(item).encode(), status=status, content_type=_JSON, headers=headers)


def answer_error(error: ApiError) -> web.Response:
    """Return a Status of failure."""
    headers = {}
    if "retryAfterSeconds" in error.details:
        headers["Retry-After"] = str(error.details["retryAfterSeconds"])
    return answer_object(error.status(), error.code, headers)


def wants_table(request: web.BaseRequest) -> bool:
    """Whether the client prefers a table, as `kubectl get` does."""
    return "as=Table" in request.headers.get("Accept", "").partition(",")[0]


def list_text(kind: Kind, found: Iterable[Stored], version: int, token: str, remaining: int) -> bytes:
    """Return the text of a list."""
    metadata: Object = {"resourceVersion": str(version)}
    if token:
        metadata.update({"continue": token, "remainingItemCount": remaining})
    head = json.dumps({"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": metadata})
    return head[:-1].encode() + b',"items":[' + b",".join(stored.text for stored in found) + b"]}"


def table(kind: Kind, found: Iterable[Stored], version: int) -> Object:
    """Return objects as a table."""
    columns = _COLUMNS.get(kind, _PLAIN)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": str(version)},
        "columnDefinitions": [
            {
                "name": name,
                "type": "string",
                "format": "name" if name == "Name" else "",
                "description": "",
                "priority": 0,
            }
            for name in columns
        ],
        "rows": [
            {
                "cells": [cell(stored.item) for cell in columns.values()],
                "object": {
                    "kind": "PartialObjectMetadata",
                    "apiVersion": "meta.k8s.io/v1",
                    "metadata": stored.item["metadata"],
                },
            }
            for stored in found
        ],
    }


def _age(item: Object) -> str:
    seconds = max(0, int(time.time() - _seconds(item["metadata"]["creationTimestamp"])))
    if seconds < 120:
        return f"{seconds}s"
    return f"{seconds // 60}m" if seconds < 7200 else f"{seconds // 3600}h"


def _seconds(text: str) -> int:
    return timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))


def _pod_ready(pod: Object) -> str:
    statuses = pod["status"].get("containerStatuses") or []
    return f"{sum(one['ready'] for one in statuses)}/{len(pod['spec']['containers'])}"


def _pod_status(pod: Object) -> str:
    if is_deleting(pod):
        return "Terminating"
    if pod["status"].get("reason"):
        return str(pod["status"]["reason"])
    for one in pod["status"].get("containerStatuses") or []:
        for kind in ("waiting", "terminated"):
            reason = (one["state"].get(kind) or {}).get("reason")
            if reason:
                return str(reason)
    return str(pod["status"].get("phase", ""))


def _pod_restarts(pod: Object) -> str:
    return str(sum(one["restartCount"] for one in pod["status"].get("containerStatuses") or []))


def _job_completions(job: Object) -> str:
    return f"{job['status'].get('succeeded', 0)}/{job['spec'].get('completions') or 1}"


def _job_status(job: Object) -> str:
    conditions = job["status"].get("conditions") or []
    true = [one["type"] for one in conditions if one["status"] == "True"]
    return next((kind for kind in ("Complete", "Failed", "Suspended") if kind in true), "Running")


_Columns = dict[str, Callable[[Object], str]]
_PLAIN: _Columns = {"Name": name_of, "Age": _age}
_COLUMNS: Mapping[Kind, _Columns] = {
    PODS: {
        "Name": name_of,
        "Ready": _pod_ready,
        "Status": _pod_status,
        "Restarts": _pod_restarts,
        "Age": _age,
    },
    JOBS: {"Name": name_of, "Status": _job_status, "Completions": _job_completions, "Age": _age},
    EVENTS: {
        "Last Seen": _age,
        "Type": lambda event: str(event.get("type", "")),
        "Reason": lambda event: str(event.get("reason", "")),
        "Object": lambda event: (
            f"{event['involvedObject']['kind'].lower()}/{event['involvedObject']['name']}"
        ),
        "Message": lambda event: str(event.get("message", "")),
    },
}

"""Objects as tables, the form that `kubectl get` asks for."""

from __future__ import annotations

import time
from calendar import timegm
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from tests.services.kube.kinds import EVENTS, JOBS, NAMESPACES, NODES, PODS, Kind
from tests.services.kube.objects import Object, condition_of, is_deleting, name_of
from tests.services.kube.store import Stored


class _Column(NamedTuple):
    name: str
    cell: Callable[[Object], str]
    priority: int = 0
    """Columns above 0 are for `-o wide`."""


def table(kind: Kind, found: Iterable[Stored], version: int) -> Object:
    """Return objects as a table."""
    columns = _COLUMNS.get(kind, _PLAIN)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": str(version)},
        "columnDefinitions": [
            {
                "name": column.name,
                "type": "string",
                "format": "name" if column.name == "Name" else "",
                "description": "",
                "priority": column.priority,
            }
            for column in columns
        ],
        "rows": [
            {
                "cells": [column.cell(stored.item) for column in columns],
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


def _node_status(node: Object) -> str:
    ready = condition_of(node, "Ready")
    return "Ready" if ready is not None and ready["status"] == "True" else "NotReady"


def _involved(event: Object) -> str:
    return f"{event['involvedObject']['kind'].lower()}/{event['involvedObject']['name']}"


_NAME, _AGE = _Column("Name", name_of), _Column("Age", _age)
_PLAIN = (_NAME, _AGE)
_COLUMNS: Mapping[Kind, tuple[_Column, ...]] = {
    PODS: (
        _NAME,
        _Column("Ready", _pod_ready),
        _Column("Status", _pod_status),
        _Column("Restarts", _pod_restarts),
        _AGE,
        _Column("IP", lambda pod: str(pod["status"].get("podIP", "<none>")), 1),
        _Column("Node", lambda pod: str(pod["spec"].get("nodeName", "<none>")), 1),
    ),
    JOBS: (_NAME, _Column("Status", _job_status), _Column("Completions", _job_completions), _AGE),
    NODES: (_NAME, _Column("Status", _node_status), _AGE),
    NAMESPACES: (_NAME, _Column("Status", lambda one: str(one["status"]["phase"])), _AGE),
    EVENTS: (
        _Column("Last Seen", _age),
        _Column("Type", lambda event: str(event.get("type", ""))),
        _Column("Reason", lambda event: str(event.get("reason", ""))),
        _Column("Object", _involved),
        _Column("Message", lambda event: str(event.get("message", ""))),
    ),
}

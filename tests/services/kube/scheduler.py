"""Which node a pod gets: the first that has room for what it requests and that its selectors and taints allow."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, NamedTuple

from tests.services.kube.cluster import Cluster
from tests.services.kube.kinds import CLAIMS, NODES, PODS
from tests.services.kube.objects import (
    Object,
    condition_of,
    is_deleting,
    labels_of,
    name_of,
    namespace_of,
    set_condition,
    uid_of,
)
from tests.services.kube.orders import Trouble
from tests.services.kube.quantity import parse_quantity, requests_of
from tests.services.kube.store import DELETED, Change, Inbox

ENDED = ("Succeeded", "Failed")
_COMPONENT = "default-scheduler"
_HARD = ("NoSchedule", "NoExecute")
_Usage = dict[str, float]
_DECIDING = ("nodeSelector", "tolerations", "affinity", "volumes")
"""What of a spec, but for what it requests, decides on its node."""


class _Waiting(NamedTuple):
    namespace: str
    name: str
    likeness: str
    """Two pods of one likeness fit the same nodes."""


class Scheduler:
    """Binds pods to nodes; keeps what each node has given away."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._inbox = Inbox()
        self._waiting: dict[str, _Waiting] = {}
        """Pods without a node by uid, in the order in which they came."""
        self._given: dict[str, _Usage] = {}
        """By node."""
        self._bound: dict[str, tuple[str, _Usage]] = {}
        """By the pod's uid: its node and what it got."""
        self._doomed: set[str] = set()
        """Pods that are not to be scheduled, by order."""
        cluster.store.listeners.append(self._hear)

    async def run(self) -> None:
        """Bind pods until cancelled."""
        while True:
            for change in await self._inbox.take():
                self._note(change)
            refused: dict[str, str] = {}  # what one pod is told, all like it are told until something changes
            for uid, waiting in list(self._waiting.items()):
                self._place(uid, waiting, refused)

    def _hear(self, change: Change) -> None:
        if change.kind in (PODS, NODES, CLAIMS):
            self._inbox.put(change)

    def _note(self, change: Change) -> None:
        if change.kind is not PODS:
            return
        pod, uid = change.item, uid_of(change.item)
        ended = change.type == DELETED or (pod.get("status") or {}).get("phase") in ENDED
        if ended:
            self._waiting.pop(uid, None)
            self._doomed.discard(uid)
            self._release(uid)
        elif pod["spec"].get("nodeName"):
            self._waiting.pop(uid, None)
            self._take(uid, pod["spec"]["nodeName"], pod)
        elif not is_deleting(pod) and uid not in self._waiting:
            self._waiting[uid] = _Waiting(namespace_of(pod), name_of(pod), _likeness(pod))

    def _take(self, uid: str, node: str, pod: Object) -> None:
        if uid in self._bound:
            return
        asked = requests_of(pod)
        self._bound[uid] = (node, asked)
        given = self._given.setdefault(node, {})
        for resource, amount in asked.items():
            given[resource] = given.get(resource, 0.0) + amount

    def _release(self, uid: str) -> None:
        node, asked = self._bound.pop(uid, ("", {}))
        for resource, amount in asked.items():
            self._given[node][resource] -= amount

    def _place(self, uid: str, waiting: _Waiting, refused: dict[str, str]) -> None:
        found = self._cluster.store.find(PODS, waiting.namespace, waiting.name)
        if found is None or uid_of(found.item) != uid or found.item["spec"].get("nodeName"):
            self._waiting.pop(uid, None)
            return
        pod = found.item
        if self._is_doomed(pod):
            self._refuse(pod, self._text("1 node(s) were kept from it by order"))
            return
        if waiting.likeness in refused:
            self._refuse(pod, refused[waiting.likeness])
            return
        node, why_not = self._choose(pod)
        if node:
            self._bind(pod, node)
            return
        refused[waiting.likeness] = why_not
        self._refuse(pod, why_not)

    def _choose(self, pod: Object) -> tuple[str, str]:
        """Return the node for a pod, or why there is none."""
        missing = self._missing_claim(pod)
        if missing:
            return "", self._text(f'persistentvolumeclaim "{missing}" not found')
        why_not: Counter[str] = Counter()
        for node in sorted(self._cluster.store.all(NODES), key=lambda node: _reluctance(node.item, pod)):
            reasons = self._reasons_against(node.item, pod)
            if not reasons:
                return name_of(node.item), ""
            why_not.update(reasons)
        return "", self._text(", ".join(f"{count} {reason}" for reason, count in sorted(why_not.items())))

    def _text(self, reasons: str) -> str:
        nodes = sum(1 for _ in self._cluster.store.all(NODES))
        return f"0/{nodes} nodes are available: {reasons}."

    def _is_doomed(self, pod: Object) -> bool:
        uid = uid_of(pod)
        if uid in self._doomed:
            return True
        place = {"namespace": namespace_of(pod), "name": name_of(pod)}
        if self._cluster.orders.take((Trouble.NOT_SCHEDULED,), resource="pods", **place):
            self._doomed.add(uid)
        return uid in self._doomed

    def _missing_claim(self, pod: Object) -> str:
        for volume in pod["spec"].get("volumes") or []:
            claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
            if claim and self._cluster.store.find(CLAIMS, namespace_of(pod), claim) is None:
                return str(claim)
        return ""

    def _reasons_against(self, node: Object, pod: Object) -> list[str]:
        if node["spec"].get("unschedulable"):
            return ["node(s) were unschedulable"]
        ready = condition_of(node, "Ready")
        if ready is None or ready["status"] != "True":
            return ["node(s) had untolerated taint {node.kubernetes.io/unreachable: }"]
        if not _is_selected(node, pod):
            return ["node(s) didn't match Pod's node affinity/selector"]
        taint = _untolerated(node, pod, _HARD)
        if taint:
            return [f"node(s) had untolerated taint {{{taint['key']}: {taint.get('value', '')}}}"]
        given = self._given.get(name_of(node), {})
        allocatable = node["status"].get("allocatable") or {}
        return [
            "Too many pods" if resource == "pods" else f"Insufficient {resource}"
            for resource, amount in requests_of(pod).items()
            if amount > 0
            and given.get(resource, 0.0) + amount > parse_quantity(str(allocatable.get(resource, "0"))) + 1e-9
        ]

    def _bind(self, pod: Object, node: str) -> None:
        def change(item: Object) -> None:
            item["spec"]["nodeName"] = node
            set_condition(item["status"], "PodScheduled", "True")

        self._waiting.pop(uid_of(pod), None)
        self._take(uid_of(pod), node, pod)
        self._cluster.store.modify(PODS, namespace_of(pod), name_of(pod), change)
        if not self._cluster.is_quiet():
            message = f"Successfully assigned {namespace_of(pod)}/{name_of(pod)} to {node}"
            self._cluster.tell(PODS, pod, "Scheduled", message, component=_COMPONENT)

    def _refuse(self, pod: Object, text: str) -> None:
        known = condition_of(pod, "PodScheduled")
        if known is not None and known.get("message") == text:
            return

        def change(item: Object) -> None:
            set_condition(item["status"], "PodScheduled", "False", reason="Unschedulable", message=text)

        self._cluster.store.modify(PODS, namespace_of(pod), name_of(pod), change)
        self._cluster.tell(PODS, pod, "FailedScheduling", text, component=_COMPONENT, warns=True)


def _likeness(pod: Object) -> str:
    decides = [pod["spec"].get(field) for field in _DECIDING]
    return json.dumps([namespace_of(pod), requests_of(pod), decides], sort_keys=True)


def _reluctance(node: Object, pod: Object) -> int:
    return 1 if _untolerated(node, pod, ("PreferNoSchedule",)) else 0


def _untolerated(node: Object, pod: Object, effects: tuple[str, ...]) -> Object | None:
    tolerations = pod["spec"].get("tolerations") or []
    for taint in node["spec"].get("taints") or []:
        if taint["effect"] in effects and not any(_tolerates(one, taint) for one in tolerations):
            return taint
    return None


def _tolerates(toleration: Object, taint: Object) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    if toleration.get("operator", "Equal") == "Exists":
        return True
    return bool(toleration.get("key")) and (toleration.get("value") or "") == (taint.get("value") or "")


def _is_selected(node: Object, pod: Object) -> bool:
    labels = labels_of(node)
    wanted = pod["spec"].get("nodeSelector") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    affinity = ((pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    if not affinity:
        return True
    return any(
        all(_meets(labels, one) for one in term.get("matchExpressions") or [])
        for term in affinity["nodeSelectorTerms"]
    )


def _meets(labels: Any, expression: Object) -> bool:  # Any: a mapping of labels
    value, values = labels.get(expression["key"]), expression.get("values") or []
    match expression["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case _:
            return False

"""What the API server fills in where a client says nothing."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping

from tests.services.kube.kinds import CLAIMS, CONFIG_MAPS, EVENTS, JOBS, PODS, SECRETS, SERVICES, Kind
from tests.services.kube.objects import Object, name_of, uid_of

JOB_LABEL = "batch.kubernetes.io/job-name"
UID_LABEL = "batch.kubernetes.io/controller-uid"


def fill_in(kind: Kind, item: Object) -> None:
    """Fill in the defaults of a new object."""
    _FILL.get(kind, _nothing)(item)


def fill_in_status(kind: Kind, item: Object) -> None:
    """Give a new object the status it starts with; what a client says of it does not count."""
    item.pop("status", None)
    if kind is PODS:
        item["status"] = {"phase": "Pending", "qosClass": _quality(item["spec"])}
    elif kind is JOBS:
        item["status"] = {}
    elif kind is CLAIMS:
        item["status"] = {
            "phase": "Bound",
            "accessModes": item["spec"].get("accessModes") or [],
            "capacity": (item["spec"].get("resources") or {}).get("requests") or {},
        }
    elif kind is SERVICES:
        item["status"] = {"loadBalancer": {}}


def select_own_pods(job: Object) -> None:
    """Give a job, once it has a uid, its selector and its pods' labels."""
    if job["spec"].get("manualSelector"):
        return
    uid = uid_of(job)
    own = {UID_LABEL: uid, JOB_LABEL: name_of(job), "controller-uid": uid, "job-name": name_of(job)}
    job["spec"]["selector"] = {"matchLabels": {UID_LABEL: uid}}
    metadata = job["spec"]["template"].setdefault("metadata", {})
    metadata["labels"] = {**(metadata.get("labels") or {}), **own}


def _nothing(_item: Object) -> None:
    pass


def _pod(item: Object) -> None:
    _pod_spec(item["spec"])
    item["spec"].setdefault("serviceAccountName", "default")
    item["spec"].setdefault("serviceAccount", item["spec"]["serviceAccountName"])
    item["spec"].setdefault("priority", 0)
    item["spec"].setdefault("preemptionPolicy", "PreemptLowerPriority")
    item["spec"].setdefault("enableServiceLinks", True)
    tolerations = item["spec"].setdefault("tolerations", [])
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        tolerations.append(
            {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
        )


def _pod_spec(spec: Object) -> None:
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("schedulerName", "default-scheduler")
    spec.setdefault("securityContext", {})
    for container in (*(spec.get("initContainers") or []), *(spec.get("containers") or [])):
        _container(container)
    for volume in spec.get("volumes") or []:
        if set(volume) == {"name"}:
            volume["emptyDir"] = {}
        if "secret" in volume:
            volume["secret"].setdefault("defaultMode", 420)
        if "configMap" in volume:
            volume["configMap"].setdefault("defaultMode", 420)


def _container(container: Object) -> None:
    image = container.get("image") or ""
    is_latest = ":" not in image.rpartition("/")[2] or image.endswith(":latest")
    container.setdefault("imagePullPolicy", "Always" if is_latest else "IfNotPresent")
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    resources = container.setdefault("resources", {})
    if resources.get("limits"):
        resources["requests"] = {**resources["limits"], **(resources.get("requests") or {})}
    for entry in container.get("env") or []:
        reference = (entry.get("valueFrom") or {}).get("fieldRef")
        if reference is not None:
            reference.setdefault("apiVersion", "v1")


def _job(item: Object) -> None:
    spec = item["spec"]
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    if spec.get("parallelism") is None:
        spec["parallelism"] = 1
    spec.setdefault("backoffLimit", 2147483647 if spec.get("backoffLimitPerIndex") is not None else 6)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    spec.setdefault(
        "podReplacementPolicy", "Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed"
    )
    _pod_spec(spec["template"]["spec"])


def _service(item: Object) -> None:
    spec = item["spec"]
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    address = spec.setdefault("clusterIP", "127.0.0.1")
    spec.setdefault("clusterIPs", [address])
    for port in spec.get("ports") or []:
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port["port"])


def _secret(item: Object) -> None:
    item.setdefault("type", "Opaque")
    plain = item.pop("stringData", None) or {}
    if plain:
        encoded = {name: base64.b64encode(str(value).encode()).decode() for name, value in plain.items()}
        item["data"] = {**(item.get("data") or {}), **encoded}


def _claim(item: Object) -> None:
    item["spec"].setdefault("volumeMode", "Filesystem")
    item["spec"].setdefault("storageClassName", "standard")
    item["spec"].setdefault("volumeName", f"pvc-{name_of(item)}")


def _quality(spec: Object) -> str:
    bounds = [container.get("resources") or {} for container in spec["containers"]]
    if not any(bound.get("limits") or bound.get("requests") for bound in bounds):
        return "BestEffort"
    complete = all({"cpu", "memory"} <= set(bound.get("limits") or {}) for bound in bounds)
    equal = all((bound.get("requests") or {}) == (bound.get("limits") or {}) for bound in bounds)
    return "Guaranteed" if complete and equal else "Burstable"


_FILL: Mapping[Kind, Callable[[Object], None]] = {
    PODS: _pod,
    JOBS: _job,
    SERVICES: _service,
    SECRETS: _secret,
    CLAIMS: _claim,
    CONFIG_MAPS: _nothing,
    EVENTS: _nothing,
}

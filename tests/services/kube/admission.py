"""The way into the store: who may make what in which namespace, and with which defaults."""

from __future__ import annotations

import uuid

from tests.services.kube.checks import Cause
from tests.services.kube.cluster import Cluster
from tests.services.kube.defaults import fill_in, fill_in_status, select_own_pods
from tests.services.kube.kinds import (
    JOBS,
    NAMESPACES,
    NODES,
    PODS,
    PRIORITY_CLASSES,
    QUOTAS,
    SERVICE_ACCOUNTS,
    Kind,
)
from tests.services.kube.objects import ApiError, Object, is_deleting, name_of, namespace_of, random_suffix
from tests.services.kube.quota import refusal_by, usage
from tests.services.kube.store import Stored
from tests.services.kube.validation import Validator, invalid

_POD_MAY_CHANGE = ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "nodeName")
_JOB_FIXED = ("template", "selector", "completionMode", "podFailurePolicy", "backoffLimitPerIndex")


class Admission:
    """See the module."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._store = cluster.store
        self._validator = Validator(cluster.settings.validate)

    def create(self, kind: Kind, namespace: str, item: Object, *, dry_run: bool = False) -> Stored | Object:
        """Make an object; return it as it is kept (with `dry_run`, as it would be).

        Raises:
            ApiError: 403, 404, 409 or 422.
        """
        self._place(kind, namespace, item)
        self._require_namespace(kind, namespace)
        self._validator.check(kind, item)
        fill_in(kind, item)
        fill_in_status(kind, item)
        if kind is PODS:
            self._admit_pod(item)
        if dry_run:
            return item
        if kind is NAMESPACES:
            return self._cluster.add_namespace(item)
        if kind is QUOTAS:
            item["status"] = {"hard": item["spec"].get("hard") or {}, "used": usage(self._store, namespace)}
        if kind is NODES:
            item.setdefault("status", {"conditions": [{"type": "Ready", "status": "True"}]})
        return self._made(kind, item)

    def update(self, kind: Kind, item: Object, *, of_status: bool = False) -> Stored:
        """Change an object; with `of_status` only its status, else all but its status.

        Raises:
            ApiError: 404, 409 or 422.
        """
        before = self._store.get(kind, namespace_of(item), name_of(item)).item
        if of_status:
            metadata = {**before["metadata"], "resourceVersion": item["metadata"].get("resourceVersion")}
            if metadata["resourceVersion"] is None:
                metadata["resourceVersion"] = before["metadata"]["resourceVersion"]
            return self._store.update(
                kind, {**before, "metadata": metadata, "status": item.get("status") or {}}
            )
        item.setdefault("apiVersion", kind.api_version)
        item.setdefault("kind", kind.kind)
        self._validator.check(kind, item)
        fill_in(kind, item) if kind not in (PODS, JOBS) else None
        _refuse_fixed(kind, before, item)
        if "status" in before and kind.subresources:
            item["status"] = before["status"]
        for name in (
            "uid",
            "creationTimestamp",
            "generation",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
        ):
            if name in before["metadata"]:
                item["metadata"][name] = before["metadata"][name]
        return self._store.update(kind, item)

    def _made(self, kind: Kind, item: Object) -> Stored:
        item["metadata"]["uid"] = str(uuid.uuid4())
        if kind is JOBS:
            select_own_pods(item)
        return self._store.create(kind, item)

    def _place(self, kind: Kind, namespace: str, item: Object) -> None:
        item.setdefault("apiVersion", kind.api_version)
        item.setdefault("kind", kind.kind)
        metadata = item.setdefault("metadata", {})
        told = metadata.get("namespace")
        if told and told != namespace:
            message = f"the namespace of the provided object does not match the namespace sent on the request ({told})"
            raise ApiError(400, message)
        if kind.namespaced:
            metadata["namespace"] = namespace
        if not metadata.get("name"):
            if not metadata.get("generateName"):
                raise invalid(
                    kind, "", [Cause("metadata.name", "Required value: name or generateName is required")]
                )
            metadata["name"] = metadata["generateName"][:58] + random_suffix()
        if item["kind"] != kind.kind or item["apiVersion"] != kind.api_version:
            raise ApiError(
                400, f"{item['kind']} in version {item['apiVersion']} cannot be handled as {kind.kind}"
            )
        for name in ("resourceVersion", "uid", "creationTimestamp", "deletionTimestamp"):
            metadata.pop(name, None)

    def _require_namespace(self, kind: Kind, namespace: str) -> None:
        if not kind.namespaced:
            return
        found = self._store.get(NAMESPACES, "", namespace)
        if is_deleting(found.item):
            message = f"unable to create new content in namespace {namespace} because it is being terminated"
            raise ApiError(403, f"{kind.qualified} is forbidden: {message}", details={"kind": kind.plural})

    def _admit_pod(self, pod: Object) -> None:
        namespace, account = namespace_of(pod), pod["spec"]["serviceAccountName"]
        if self._store.find(SERVICE_ACCOUNTS, namespace, account) is None:
            message = f'error looking up service account {namespace}/{account}: serviceaccount "{account}" not found'
            raise _forbidden(pod, message)
        priority = pod["spec"].get("priorityClassName")
        if priority and not priority.startswith("system-"):
            found = self._store.find(PRIORITY_CLASSES, "", priority)
            if found is None:
                raise _forbidden(pod, f"no PriorityClass with name {priority} was found")
            pod["spec"]["priority"] = found.item["value"]
        refusal = refusal_by(self._store, pod)
        if refusal:
            raise _forbidden(pod, refusal)


def _forbidden(pod: Object, message: str) -> ApiError:
    details = {"name": name_of(pod), "kind": "pods"}
    return ApiError(403, f'pods "{name_of(pod)}" is forbidden: {message}', details=details)


def _refuse_fixed(kind: Kind, before: Object, item: Object) -> None:
    if kind is PODS and _fixed_of_pod(before["spec"]) != _fixed_of_pod(item["spec"]):
        message = "Forbidden: pod updates may not change fields other than `spec.containers[*].image`, ..."
        raise invalid(kind, name_of(item), [Cause("spec", message)])
    if kind is JOBS:
        for field in _JOB_FIXED:
            if before["spec"].get(field) != item["spec"].get(field):
                raise invalid(
                    kind, name_of(item), [Cause(f"spec.{field}", "Invalid value: field is immutable")]
                )


def _fixed_of_pod(spec: Object) -> Object:
    fixed = {key: value for key, value in spec.items() if key not in _POD_MAY_CHANGE}
    for field in ("containers", "initContainers"):
        if field in fixed:
            fixed[field] = [{k: v for k, v in one.items() if k != "image"} for one in fixed[field]]
    return fixed

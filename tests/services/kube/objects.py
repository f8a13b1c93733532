"""What all objects have in common, and the errors that answer a request that cannot be met."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from typing import Any

Object = dict[str, Any]  # Any: a Kubernetes object, as JSON
"""An object. One that is in the store is never changed in place: a writer changes a copy."""

_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    409: "Conflict",
    410: "Expired",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


class ApiError(Exception):
    """A request that is answered with a Status of failure."""

    def __init__(
        self, code: int, message: str, *, reason: str = "", details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason or REASONS.get(code, "Unknown")
        self.details = dict(details or {})

    def status(self) -> Object:
        """Return the body of the answer."""
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "details": self.details,
            "code": self.code,
        }


def timestamp(at: float | None = None) -> str:
    """Return a time, now if none is given, as objects tell it: UTC, whole seconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def micro_timestamp(at: float) -> str:
    """Return a time with microseconds."""
    return f"{timestamp(at)[:-1]}.{int(at % 1 * 1e6):06d}Z"


def random_suffix() -> str:
    """Return five letters, as the API server puts behind `generateName`."""
    return "".join(random.choices(_SUFFIX_LETTERS, k=5))


def name_of(item: Object) -> str:
    """Return an object's name."""
    return str(item["metadata"]["name"])


def namespace_of(item: Object) -> str:
    """Return an object's namespace; empty for what is in none."""
    return str(item["metadata"].get("namespace") or "")


def uid_of(item: Object) -> str:
    """Return an object's uid."""
    return str(item["metadata"].get("uid") or "")


def labels_of(item: Object) -> Mapping[str, str]:
    """Return an object's labels."""
    return item["metadata"].get("labels") or {}


def annotations_of(item: Object) -> Mapping[str, str]:
    """Return an object's annotations."""
    return item["metadata"].get("annotations") or {}


def is_deleting(item: Object) -> bool:
    """Whether its deletion was asked for."""
    return bool(item["metadata"].get("deletionTimestamp"))


def controller_of(item: Object) -> Object | None:
    """Return the reference to what manages an object."""
    owners = item["metadata"].get("ownerReferences") or []
    return next((owner for owner in owners if owner.get("controller")), None)


def owner_reference(owner: Object, kind: str, api_version: str) -> Object:
    """Return a reference to what manages an object."""
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": name_of(owner),
        "uid": uid_of(owner),
        "controller": True,
        "blockOwnerDeletion": True,
    }


def set_condition(status: Object, kind: str, value: str, **more: str) -> None:
    """Set a condition of a status; the time of its change moves only when its value does.

    Args:
        status: Changed.
        kind: The condition's type.
        value: `True`, `False` or `Unknown`.
        **more: reason and message.
    """
    conditions = status.setdefault("conditions", [])
    old = next((condition for condition in conditions if condition["type"] == kind), None)
    changed = timestamp() if old is None or old["status"] != value else old["lastTransitionTime"]
    condition = {"type": kind, "status": value, "lastTransitionTime": changed, **more}
    if old is None:
        conditions.append(condition)
    else:
        conditions[conditions.index(old)] = condition


def condition_of(item: Object, kind: str) -> Object | None:
    """Return a condition of an object's status."""
    conditions = (item.get("status") or {}).get("conditions") or []
    return next((condition for condition in conditions if condition["type"] == kind), None)


def at_path(item: Object, path: str) -> Any:  # Any: whatever stands there
    """Return what stands at a dotted path; None where nothing does."""
    found: Any = item
    for part in path.split("."):
        if not isinstance(found, dict):
            return None
        found = found.get(part)
    return found

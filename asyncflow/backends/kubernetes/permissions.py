"""What our credentials may do, as the cluster itself says (SelfSubjectAccessReview, which everybody may ask for)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import anyio

from asyncflow.backends.kubernetes.api import Api, Rejected
from asyncflow.backends.kubernetes.jsontext import decode
from asyncflow.backends.kubernetes.parts import part

__all__ = ["GANGS", "PODS", "Permission", "missing_permissions"]

_PATH = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


class Permission(NamedTuple):
    """Something to do with a kind of objects."""

    verb: str
    resource: str
    group: str = ""

    @property
    def told(self) -> str:
        """In words."""
        return f"{self.verb} {self.resource}"


PODS = tuple(Permission(verb, "pods") for verb in ("create", "get", "list", "watch", "delete"))
"""What every run needs."""
GANGS = (
    *(Permission(verb, "jobs", "batch") for verb in ("create", "get", "list", "delete")),
    *(Permission(verb, "services") for verb in ("create", "patch", "delete")),
)
"""What steps with num_parallel need besides."""


async def missing_permissions(
    api: Api, namespace: str, wanted: Sequence[Permission], *, patience_s: float
) -> list[str]:
    """Return in words what may not be done in a namespace. What the cluster does not tell counts as allowed.

    Raises ClusterError.
    """
    missing: dict[int, str] = {}

    async def ask(place: int, permission: Permission) -> None:
        if await _is_allowed(api, namespace, permission, patience_s) is False:
            missing[place] = permission.told

    async with anyio.create_task_group() as group:
        for place, permission in enumerate(wanted):
            group.start_soon(ask, place, permission)
    return [missing[place] for place in sorted(missing)]


async def _is_allowed(api: Api, namespace: str, permission: Permission, patience_s: float) -> bool | None:
    attributes = {
        "namespace": namespace,
        "verb": permission.verb,
        "resource": permission.resource,
        "group": permission.group,
    }
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    try:
        answer = decode(await api.create(_PATH, review, patience_s=patience_s))
    except Rejected:
        return None
    allowed = part(answer, "status").get("allowed")
    return allowed if isinstance(allowed, bool) else None

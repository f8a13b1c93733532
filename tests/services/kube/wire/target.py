"""What a request is about: its path, taken apart, and its verb in Kubernetes' words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.services.kube.kinds import NAMESPACES, Kind, find_kind
from tests.services.kube.objects import ApiError

_TRUE = ("1", "true", "True")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a request is about."""

    kind: Kind
    verb: str
    namespace: str = ""
    """Empty: all namespaces, or a kind that is in none."""
    name: str = ""
    """Empty: the collection."""
    subresource: str = ""

    @property
    def resource(self) -> str:
        """As rules name it: `pods`, `pods/log`."""
        return f"{self.kind.plural}/{self.subresource}" if self.subresource else self.kind.plural


def parse_target(method: str, path: str, query: Mapping[str, str]) -> Target | None:
    """Return what a request is about; None if it is not about objects.

    Raises:
        ApiError: 404, no such kind; 405, it cannot be done.
    """
    parts = [part for part in path.split("/") if part]
    if len(parts) >= 3 and parts[0] == "api":
        group, version, rest = "", parts[1], parts[2:]
    elif len(parts) >= 4 and parts[0] == "apis":
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) >= 3 and rest[2] not in NAMESPACES.subresources:
        namespace, rest = rest[1], rest[2:]
    kind = find_kind(group, version, rest[0])
    if kind is None or len(rest) > 3 or (namespace and not kind.namespaced):
        raise ApiError(404, "the server could not find the requested resource")
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 else ""
    if subresource and subresource not in kind.subresources:
        raise ApiError(404, "the server could not find the requested resource")
    verb = _verb(method, name, query)
    return Target(kind=kind, verb=verb, namespace=namespace, name=name, subresource=subresource)


def _verb(method: str, name: str, query: Mapping[str, str]) -> str:
    match method:
        case "GET" | "HEAD":
            if is_true(query, "watch"):
                return "watch"
            return "get" if name else "list"
        case "POST":
            return "create"
        case "PUT":
            return "update"
        case "PATCH":
            return "patch"
        case "DELETE":
            return "delete" if name else "deletecollection"
        case _:
            raise ApiError(405, "the server does not allow this method on the requested resource")


def is_true(query: Mapping[str, str], name: str) -> bool:
    """Whether a switch of a query is on."""
    return query.get(name, "") in _TRUE

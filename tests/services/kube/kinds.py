"""The kinds of objects there are, and how discovery tells of them."""

from __future__ import annotations

from dataclasses import dataclass

from tests.services.kube.objects import Object

_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
SERVER_VERSION = {
    "major": "1",
    "minor": "33",
    "gitVersion": "v1.33.0",
    "gitCommit": "0" * 40,
    "gitTreeState": "clean",
    "buildDate": "2025-04-23T13:21:33Z",
    "goVersion": "none",
    "compiler": "none",
    "platform": "linux/amd64",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of objects."""

    plural: str
    kind: str
    group: str = ""
    """Empty: the core group."""
    version: str = "v1"
    namespaced: bool = True
    short: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        """As in an object's `apiVersion`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """As messages name it: `jobs.batch`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


PODS = Kind(
    plural="pods",
    kind="Pod",
    short=("po",),
    subresources=("log", "status", "eviction", "ephemeralcontainers"),
    categories=("all",),
)
NAMESPACES = Kind(
    plural="namespaces", kind="Namespace", namespaced=False, short=("ns",), subresources=("status",)
)
NODES = Kind(plural="nodes", kind="Node", namespaced=False, short=("no",), subresources=("status",))
EVENTS = Kind(plural="events", kind="Event", short=("ev",))
CONFIG_MAPS = Kind(plural="configmaps", kind="ConfigMap", short=("cm",))
SECRETS = Kind(plural="secrets", kind="Secret")
SERVICE_ACCOUNTS = Kind(plural="serviceaccounts", kind="ServiceAccount", short=("sa",))
SERVICES = Kind(
    plural="services", kind="Service", short=("svc",), subresources=("status",), categories=("all",)
)
CLAIMS = Kind(
    plural="persistentvolumeclaims", kind="PersistentVolumeClaim", short=("pvc",), subresources=("status",)
)
QUOTAS = Kind(plural="resourcequotas", kind="ResourceQuota", short=("quota",), subresources=("status",))
JOBS = Kind(plural="jobs", kind="Job", group="batch", subresources=("status",), categories=("all",))
PRIORITY_CLASSES = Kind(
    plural="priorityclasses", kind="PriorityClass", group="scheduling.k8s.io", namespaced=False, short=("pc",)
)
LEASES = Kind(plural="leases", kind="Lease", group="coordination.k8s.io")
ACCESS_REVIEWS = Kind(
    plural="selfsubjectaccessreviews",
    kind="SelfSubjectAccessReview",
    group="authorization.k8s.io",
    namespaced=False,
)

KINDS = (
    PODS,
    NAMESPACES,
    NODES,
    EVENTS,
    CONFIG_MAPS,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    CLAIMS,
    QUOTAS,
    JOBS,
    PRIORITY_CLASSES,
    LEASES,
    ACCESS_REVIEWS,
)
_FOUND = {(kind.group, kind.version, kind.plural): kind for kind in KINDS}


def find_kind(group: str, version: str, plural: str) -> Kind | None:
    """Return a kind by its place in the API."""
    return _FOUND.get((group, version, plural))


def groups() -> tuple[tuple[str, str], ...]:
    """Return the named groups and their versions."""
    return tuple(dict.fromkeys((kind.group, kind.version) for kind in KINDS if kind.group))


def group_list() -> Object:
    """Return what `/apis` answers."""
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [group_of(*group) for group in groups()]}


def group_of(group: str, version: str) -> Object:
    """Return what `/apis/GROUP` answers."""
    served = {"groupVersion": f"{group}/{version}", "version": version}
    return {"name": group, "versions": [served], "preferredVersion": served}


def resource_list(group: str, version: str) -> Object | None:
    """Return what `/api/v1` or `/apis/GROUP/VERSION` answers; None if there is no such group."""
    kinds = [kind for kind in KINDS if (kind.group, kind.version) == (group, version)]
    if not kinds:
        return None
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": kinds[0].api_version,
        "resources": [resource for kind in kinds for resource in _resources(kind)],
    }


def _resources(kind: Kind) -> list[Object]:
    only_created = kind is ACCESS_REVIEWS
    told: Object = {
        "name": kind.plural,
        "singularName": kind.kind.lower(),
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": ["create"] if only_created else list(_VERBS),
    }
    if kind.short:
        told["shortNames"] = list(kind.short)
    if kind.categories:
        told["categories"] = list(kind.categories)
    below = [
        {
            "name": f"{kind.plural}/{name}",
            "singularName": "",
            "namespaced": kind.namespaced,
            "kind": "Eviction" if name == "eviction" else kind.kind,
            "verbs": {"log": ["get"], "eviction": ["create"]}.get(name, ["get", "patch", "update"]),
        }
        for name in kind.subresources
    ]
    return [told, *below]

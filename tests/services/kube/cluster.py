"""What the parts of the server share: settings, objects, events, logs, and the group in which all work runs."""

from __future__ import annotations

import time
import uuid
from asyncio import TaskGroup
from dataclasses import dataclass, field
from pathlib import Path

from tests.services.kube.kinds import CONFIG_MAPS, EVENTS, NAMESPACES, NODES, SERVICE_ACCOUNTS, Kind
from tests.services.kube.logs import Logs
from tests.services.kube.objects import Object, name_of, namespace_of, timestamp, uid_of
from tests.services.kube.orders import Orders
from tests.services.kube.store import Store, Stored

_SYSTEM_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSpec:
    """A node there is from the start."""

    name: str
    capacity: dict[str, str]
    labels: dict[str, str] = field(default_factory=dict)
    taints: tuple[tuple[str, str, str], ...] = ()
    """Key, value, effect."""


_CAPACITY = {"cpu": "600", "memory": "4Ti", "ephemeral-storage": "4Ti", "pods": "1000"}
DEFAULT_NODES = (
    NodeSpec(name="node-1", capacity=_CAPACITY, labels={"pool": "plain", "topology.kubernetes.io/zone": "a"}),
    NodeSpec(name="node-2", capacity=_CAPACITY, labels={"pool": "plain", "topology.kubernetes.io/zone": "b"}),
    NodeSpec(
        name="node-gpu",
        capacity={**_CAPACITY, "cpu": "64", "memory": "512Gi", "nvidia.com/gpu": "8"},
        labels={"pool": "gpu", "accelerator": "nvidia"},
        taints=(("nvidia.com/gpu", "present", "PreferNoSchedule"),),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a server behaves."""

    mode: str = "process"
    """noop, process, docker or podman."""
    nodes: tuple[NodeSpec, ...] = DEFAULT_NODES
    tokens: tuple[str, ...] = ()
    """Bearer tokens that are accepted; empty: whoever comes."""
    bookmark_s: float = 1.0
    """A watch that asked for bookmarks gets one so often."""
    job_backoff_s: float = 0.1
    """A Job waits so long before it replaces its first failed pod, twice as long for the next. Kubernetes: 10."""
    restart_backoff_s: float = 0.1
    """As for a container that is restarted. Kubernetes: 10."""
    image_backoff_s: float = 0.2
    """Between attempts to pull an image. Kubernetes: 10."""
    noop_s: float = 0.0
    """A pod runs so long in mode noop."""
    noop_call: str = ""
    """`module:function` that is called with each pod in mode noop and may return its exit code."""
    shutdown_grace_s: float = 2.0
    """At most so long has a pod to end when its node shuts down or it is evicted."""
    validate: tuple[str, ...] = ()
    """Kubernetes versions whose schemas objects must meet. Empty: the three newest."""


class Cluster:
    """See the module."""

    def __init__(self, settings: Settings, group: TaskGroup, folder: Path) -> None:
        self.settings = settings
        self.group = group
        """All work runs in it, and ends when the server does."""
        self.folder = folder
        """Volumes and working directories of pods."""
        self.store = Store()
        self.orders = Orders()
        self.logs = Logs()
        self.tokens = list(settings.tokens)
        for namespace in _SYSTEM_NAMESPACES:
            self.add_namespace({"metadata": {"name": namespace}})
        for node in settings.nodes:
            self.store.create(NODES, _node(node))

    def add_namespace(self, item: Object) -> Stored:
        """Make a namespace and what each is born with."""
        name = name_of(item)
        item.update(apiVersion="v1", kind="Namespace")
        item["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = name
        item.update(spec={"finalizers": ["kubernetes"]}, status={"phase": "Active"})
        made = self.store.create(NAMESPACES, item)
        self.store.create(
            SERVICE_ACCOUNTS,
            {
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": {"name": "default", "namespace": name},
            },
        )
        self.store.create(
            CONFIG_MAPS,
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "kube-root-ca.crt", "namespace": name},
                "data": {"ca.crt": ""},
            },
        )
        return made

    def tell(
        self, kind: Kind, item: Object, reason: str, message: str, *, component: str, warns: bool = False
    ) -> None:
        """Record an event about an object; an event that is there already is counted up."""
        namespace = namespace_of(item) or "default"
        source = uuid.uuid5(uuid.NAMESPACE_OID, f"{uid_of(item)} {component} {reason} {message}")
        name = f"{name_of(item)[:200]}.{source.hex[:16]}"
        known = self.store.modify(EVENTS, namespace, name, _count_up)
        if known is None:
            self.store.create(EVENTS, _event(kind, item, namespace, name, reason, message, component, warns))

    def is_quiet(self) -> bool:
        """Whether events that only tell that all goes well are left out: in mode noop, which is for many pods."""
        return self.settings.mode == "noop"


def _count_up(event: Object) -> None:
    event["count"] = event.get("count", 1) + 1
    event["lastTimestamp"] = timestamp()


def _event(
    kind: Kind,
    item: Object,
    namespace: str,
    name: str,
    reason: str,
    message: str,
    component: str,
    warns: bool,
) -> Object:
    now = timestamp(time.time())
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": namespace},
        "involvedObject": {
            "kind": kind.kind,
            "namespace": namespace_of(item) or None,
            "name": name_of(item),
            "uid": uid_of(item),
            "apiVersion": kind.api_version,
            "resourceVersion": item["metadata"].get("resourceVersion"),
        },
        "reason": reason,
        "message": message,
        "source": {"component": component},
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
        "type": "Warning" if warns else "Normal",
        "eventTime": None,
        "reportingComponent": component,
        "reportingInstance": "",
    }


def _node(spec: NodeSpec) -> Object:
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "message": "kubelet is posting ready status",
        "lastHeartbeatTime": timestamp(),
        "lastTransitionTime": timestamp(),
    }
    built_in = {
        "kubernetes.io/hostname": spec.name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": spec.name, "labels": {**built_in, **spec.labels}},
        "spec": {
            "taints": [{"key": key, "value": value, "effect": effect} for key, value, effect in spec.taints]
        },
        "status": {
            "capacity": dict(spec.capacity),
            "allocatable": dict(spec.capacity),
            "conditions": [ready],
            "addresses": [
                {"type": "InternalIP", "address": "127.0.0.1"},
                {"type": "Hostname", "address": spec.name},
            ],
            "nodeInfo": {
                "machineID": "",
                "systemUUID": "",
                "bootID": "",
                "kernelVersion": "",
                "osImage": "test",
                "containerRuntimeVersion": "test://1",
                "kubeletVersion": "v1.33.0",
                "kubeProxyVersion": "",
                "operatingSystem": "linux",
                "architecture": "amd64",
            },
        },
    }

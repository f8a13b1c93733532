"""What a step asks for in a pod: its decorator's options, with the settings that stand for what it leaves out. Pure.

`Defaults.from_settings` alone reads the environment, once, when a run begins.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from asyncflow.backends.kubernetes.errors import BadOption
from asyncflow.backends.remote.platform import Size
from asyncflow.flow.compute_values import (
    is_dns_label,
    is_dns_subdomain,
    is_image,
    is_label_name,
    is_label_value,
    mapping_of,
    names_of,
    tolerations_of,
)
from asyncflow.records import field, record

__all__ = ["DAY_S", "Defaults", "PodOptions", "Reader", "resolve"]

DAY_S = 86400
_RUNTIME_LIMIT_S = 5 * DAY_S
_START_LIMIT_S, _SILENCE_S, _OUTAGE_S = 120, 90, 900
_GPUS = {"nvidia": "nvidia.com/gpu", "amd": "amd.com/gpu"}
_POOL_LABEL = "outerbounds.co/compute-pool"

Reader = Callable[[str], str | None]
"""Returns a setting by its name without prefix (`KUBERNETES_NAMESPACE`); None: not set."""


@record
class Defaults:
    """What the settings say for all steps: METAFLOW_KUBERNETES_X, or ASYNCFLOW_KUBERNETES_X, which wins."""

    image: str | None = None
    registry: str | None = None
    image_pull_policy: str | None = None
    image_pull_secrets: tuple[str, ...] = ()
    service_account: str | None = None
    secrets: tuple[str, ...] = ()
    node_selector: Mapping[str, str] = field(default_factory=dict[str, str])
    tolerations: tuple[Mapping[str, Any], ...] = ()  # Any: texts and a number of seconds
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])
    persistent_volume_claims: Mapping[str, str] = field(default_factory=dict[str, str])
    gpu_vendor: str = "nvidia"
    shared_memory: int | None = None
    port: int | None = None
    qos: str = "burstable"
    namespace: str | None = None
    pool_label: str = _POOL_LABEL
    """Label of nodes that `compute_pool` selects by."""
    runtime_limit_s: int = _RUNTIME_LIMIT_S
    """For steps without @timeout."""
    pending_limit_s: int = _RUNTIME_LIMIT_S
    """How long a pod may wait for a node, or its creation for quota."""
    start_limit_s: int = _START_LIMIT_S
    """How long a pod that has a node may wait for its image, a secret, a config map or a volume that is not there."""
    silence_s: int = _SILENCE_S
    """How long a watch may tell nothing before it is opened anew."""
    outage_s: int = _OUTAGE_S
    """How long the cluster may be out of reach, or refuse us, while pods run, before the run gives up."""
    ttl_s: int | None = None
    """How long what has ended is kept. None: pods are removed once they were told of, a gang's Job after a week."""
    grace_s: int = 30
    """Between SIGTERM and SIGKILL."""

    @classmethod
    def from_settings(cls, read: Reader) -> Defaults:
        """Read the settings. Raises BadOption for one that cannot be."""

        def take(name: str) -> str | None:
            return read(f"KUBERNETES_{name}") or None

        return cls(
            image=_checked(
                "CONTAINER_IMAGE", take("CONTAINER_IMAGE") or read("DEFAULT_CONTAINER_IMAGE"), is_image
            ),
            registry=take("CONTAINER_REGISTRY") or read("DEFAULT_CONTAINER_REGISTRY"),
            image_pull_policy=_one_of("IMAGE_PULL_POLICY", take, ("Always", "IfNotPresent", "Never")),
            image_pull_secrets=_names("IMAGE_PULL_SECRETS", take),
            service_account=_checked("SERVICE_ACCOUNT", take("SERVICE_ACCOUNT"), is_dns_subdomain),
            secrets=_names("SECRETS", take),
            node_selector=_labels("NODE_SELECTOR", take),
            tolerations=_tolerations(take),
            labels=_labels("LABELS", take),
            annotations=_mapping("ANNOTATIONS", take),
            persistent_volume_claims=_mapping("PERSISTENT_VOLUME_CLAIMS", take),
            gpu_vendor=_one_of("GPU_VENDOR", take, tuple(_GPUS)) or "nvidia",
            shared_memory=_number("SHARED_MEMORY", take),
            port=_number("PORT", take),
            qos=(_one_of("QOS", take, ("burstable", "guaranteed")) or "burstable").lower(),
            namespace=_checked("NAMESPACE", take("NAMESPACE"), is_dns_label),
            pool_label=_checked("COMPUTE_POOL_LABEL", take("COMPUTE_POOL_LABEL"), is_label_name)
            or _POOL_LABEL,
            runtime_limit_s=_number("DEFAULT_RUNTIME_LIMIT", read) or _RUNTIME_LIMIT_S,
            pending_limit_s=_number("PENDING_LIMIT_SECONDS", take) or _RUNTIME_LIMIT_S,
            start_limit_s=_number("START_LIMIT_SECONDS", take) or _START_LIMIT_S,
            silence_s=_number("SILENCE_SECONDS", take) or _SILENCE_S,
            outage_s=_number("OUTAGE_SECONDS", take) or _OUTAGE_S,
            ttl_s=_number("JOB_TTL_SECONDS_AFTER_FINISHED", take),
            grace_s=_number("GRACE_SECONDS", take) or 30,
        )


@record
class PodOptions:
    """What one pod is made of, apart from whose attempt it is."""

    image: str
    namespace: str
    cpu: float
    memory_mb: float
    disk_mb: float
    gpus: Mapping[str, str]
    """Extended resources: GPUs and what else was asked for, by name."""
    image_pull_policy: str | None
    image_pull_secrets: tuple[str, ...]
    service_account: str | None
    secrets: tuple[str, ...]
    node_selector: Mapping[str, str]
    tolerations: tuple[Mapping[str, Any], ...]  # Any: see Defaults
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    claims: Mapping[str, str]
    shared_memory_mb: int | None
    tmpfs_mb: int | None
    """None: no tmpfs."""
    tmpfs_path: str
    is_tmpfs_tempdir: bool
    port: int | None
    is_guaranteed: bool
    security_context: Mapping[str, Any] | None  # Any: as the user wrote it
    executable: str | None
    deadline_s: int
    grace_s: int
    resolution_timeout_s: int
    ttl_s: int | None


def resolve(
    options: Mapping[str, Any],  # Any: the values of the step's decorator
    size: Size,
    timeout_s: float | None,
    *,
    defaults: Defaults,
    namespace: str,
) -> PodOptions:
    """Put together what a step says and what the settings say for it.

    Args:
        options: Of the decorator, validated.
        size: With @resources; what is None is taken from the decorator.
        timeout_s: @timeout.
        defaults: The settings.
        namespace: For steps that name none.

    Raises:
        BadOption: A value cannot be, though the decorator let it pass.
    """
    get = options.get
    memory_mb = _size(size.memory_mb, get("memory"), 4096.0)
    return PodOptions(
        image=_image(get("image"), defaults),
        namespace=str(get("namespace") or namespace),
        cpu=_size(size.cpu, get("cpu"), 1.0),
        memory_mb=memory_mb,
        disk_mb=_size(size.disk_mb, get("disk"), 10240.0),
        gpus=_devices(options, size, defaults),
        image_pull_policy=get("image_pull_policy") or defaults.image_pull_policy,
        image_pull_secrets=_tuple(get("image_pull_secrets"), "image_pull_secrets")
        or defaults.image_pull_secrets,
        service_account=get("service_account") or defaults.service_account,
        secrets=tuple(dict.fromkeys((*defaults.secrets, *_tuple(get("secrets"), "secrets")))),
        node_selector=_node_selector(options, defaults),
        tolerations=_tolerated(get("tolerations")) or defaults.tolerations,
        labels={**defaults.labels, **_pairs(get("labels"), "labels")},
        annotations={**defaults.annotations, **_pairs(get("annotations"), "annotations")},
        claims={
            **defaults.persistent_volume_claims,
            **_pairs(get("persistent_volume_claims"), "persistent_volume_claims"),
        },
        shared_memory_mb=_whole(get("shared_memory")) or defaults.shared_memory,
        tmpfs_mb=_tmpfs(options, memory_mb),
        tmpfs_path=str(get("tmpfs_path") or "/metaflow_temp"),
        is_tmpfs_tempdir=get("tmpfs_tempdir") is not False,
        port=_whole(get("port")) or defaults.port,
        is_guaranteed=str(get("qos") or defaults.qos).lower() == "guaranteed",
        security_context=get("security_context"),
        executable=get("executable"),
        deadline_s=int(timeout_s or defaults.runtime_limit_s) + _START_S + defaults.grace_s,
        grace_s=defaults.grace_s,
        resolution_timeout_s=_whole(get("hostname_resolution_timeout")) or 600,
        ttl_s=defaults.ttl_s,
    )


_START_S = 60
"""A worker needs time before its step begins; it keeps the step's own timeout to the second."""


def _image(given: object, defaults: Defaults) -> str:
    image = str(given or defaults.image or f"python:{sys.version_info[0]}.{sys.version_info[1]}")
    first, slash, _ = image.partition("/")
    has_registry = bool(slash) and ("." in first or ":" in first or first == "localhost")
    if defaults.registry and not has_registry:
        return f"{defaults.registry.rstrip('/')}/{image}"
    return image


def _size(asked: float | None, given: object, otherwise: float) -> float:
    return float(asked if asked is not None else str(given) if given is not None else otherwise)


def _devices(options: Mapping[str, Any], size: Size, defaults: Defaults) -> dict[str, str]:  # Any: see above
    devices = _pairs(options.get("extended_resources"), "extended_resources")
    gpus = _whole(size.gpu if size.gpu is not None else options.get("gpu"))
    if gpus:
        vendor = str(options.get("gpu_vendor") or defaults.gpu_vendor).lower()
        devices[_GPUS.get(vendor, _GPUS["nvidia"])] = str(gpus)
    return devices


def _node_selector(options: Mapping[str, Any], defaults: Defaults) -> dict[str, str]:  # Any: see above
    given = _pairs(options.get("node_selector"), "node_selector") or dict(defaults.node_selector)
    pool = options.get("compute_pool")
    return {**given, defaults.pool_label: str(pool)} if pool else given


def _tmpfs(options: Mapping[str, Any], memory_mb: float) -> int | None:  # Any: see above
    size = _whole(options.get("tmpfs_size"))
    if not options.get("use_tmpfs") and not size:
        return None
    return size or max(1, int(memory_mb / 2))


def _whole(given: object) -> int | None:
    return None if given is None else int(float(str(given)))


def _pairs(given: object, name: str) -> dict[str, str]:
    pairs = mapping_of(given)
    if pairs is None:
        raise BadOption(f"{name}={given!r:.100} is no mapping and no text like a=b,c=d")
    return pairs


def _tuple(given: object, name: str) -> tuple[str, ...]:
    names = names_of(given)
    if names is None:
        raise BadOption(f"{name}={given!r:.100} is no list of names")
    return tuple(names)


def _tolerated(given: object) -> tuple[Mapping[str, Any], ...]:  # Any: see Defaults
    tolerations = tolerations_of(given)
    if isinstance(tolerations, str):
        raise BadOption(f"tolerations={given!r:.100} is not {tolerations}")
    return tuple(tolerations)


# The settings' texts


def _wrong(name: str, value: str, wanted: str) -> BadOption:
    return BadOption(
        f"The setting KUBERNETES_{name} is {value!r:.100}, which is not {wanted}",
        hint=f"It comes from ASYNCFLOW_KUBERNETES_{name}, METAFLOW_KUBERNETES_{name} or a configuration file.",
    )


def _checked(name: str, value: str | None, is_fine: Callable[[str], bool]) -> str | None:
    if value and not is_fine(value):
        raise _wrong(name, value, "a name that Kubernetes takes there")
    return value or None


def _one_of(name: str, take: Reader, words: tuple[str, ...]) -> str | None:
    value = take(name)
    if value is None:
        return None
    found = next((word for word in words if word.lower() == value.lower()), None)
    if found is None:
        raise _wrong(name, value, f"one of {', '.join(words)}")
    return found


def _number(name: str, take: Reader) -> int | None:
    value = take(name)
    if value is None:
        return None
    if not value.isdecimal():
        raise _wrong(name, value, "a whole number")
    return int(value)


def _names(name: str, take: Reader) -> tuple[str, ...]:
    value = take(name)
    names = names_of(value)
    if names is None or not all(is_dns_subdomain(one) for one in names):
        raise _wrong(name, str(value), "a list of names like a,b")
    return tuple(names)


def _mapping(name: str, take: Reader) -> dict[str, str]:
    value = take(name)
    pairs = mapping_of(value)
    if pairs is None:
        raise _wrong(name, str(value), "a mapping like a=b,c=d")
    return pairs


def _labels(name: str, take: Reader) -> dict[str, str]:
    pairs = _mapping(name, take)
    if not all(is_label_name(one) and is_label_value(pairs[one]) for one in pairs):
        raise _wrong(name, str(take(name)), "a mapping of labels to values of at most 63 letters and digits")
    return pairs


def _tolerations(take: Reader) -> tuple[Mapping[str, Any], ...]:  # Any: see Defaults
    value = take("TOLERATIONS")
    tolerations = tolerations_of(value)
    if isinstance(tolerations, str):
        raise _wrong("TOLERATIONS", str(value), tolerations)
    return tuple(tolerations)

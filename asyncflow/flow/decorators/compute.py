"""`@kubernetes` and `@batch`: where else a step may run, with the options of Metaflow's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from asyncflow.flow.decorators.base import StepDecorator, decorate
from asyncflow.records import field, record

__all__ = ["Batch", "Kubernetes", "batch", "kubernetes"]

_LONGEST_LABEL = 63


@record(slots=False)
class _Compute(StepDecorator):
    """What both have in common."""

    image: str | None = None
    shared_memory: int | None = None
    """MB."""
    use_tmpfs: bool = False
    tmpfs_tempdir: bool = True
    tmpfs_size: int | None = None
    """MB. None: half of the memory."""
    tmpfs_path: str = "/metaflow_temp"
    executable: str | None = None

    def _sizes(self, *names: str) -> None:
        for name in names:
            if getattr(self, name) is not None:
                self.number(name, at_least=1 if name != "gpu" else 0)


@record(slots=False)
class Kubernetes(_Compute):
    """The step runs in a pod."""

    name: ClassVar[str] = "kubernetes"
    cpu: Any = "1"
    memory: Any = "4096"
    """MB."""
    disk: Any = "10240"
    """MB."""
    image_pull_policy: str | None = None
    image_pull_secrets: Any = None
    service_account: str | None = None
    secrets: Any = None
    node_selector: Any = None
    namespace: str | None = None
    gpu: Any = None
    gpu_vendor: str | None = None
    tolerations: Any = None
    labels: Mapping[str, str] | str | None = None
    annotations: Any = None
    persistent_volume_claims: Mapping[str, str] | None = None
    port: int | None = None
    compute_pool: str | None = None
    hostname_resolution_timeout: int = 600
    qos: str = "burstable"
    extended_resources: Mapping[str, Any] = field(default_factory=dict[str, Any])
    security_context: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        self._sizes(
            "cpu", "memory", "disk", "gpu", "shared_memory", "tmpfs_size", "hostname_resolution_timeout"
        )
        if self.gpu_vendor is not None and self.gpu_vendor not in ("nvidia", "amd"):
            self.refuse("gpu_vendor", "'nvidia' or 'amd'")
        if str(self.qos).lower() not in ("burstable", "guaranteed"):
            self.refuse("qos", "'Burstable' or 'Guaranteed'")
        if self.image_pull_policy not in (None, "Always", "IfNotPresent", "Never"):
            self.refuse("image_pull_policy", "'Always', 'IfNotPresent' or 'Never'")
        labels = _pairs(self.labels)
        if labels is None or any(len(value) > _LONGEST_LABEL for value in labels.values()):
            self.refuse("labels", f"names and values of at most {_LONGEST_LABEL} characters")
        if self.port is not None and not (isinstance(self.port, int) and 0 < self.port < 1 << 16):
            self.refuse("port", "a port, 1 to 65535")


@record(slots=False)
class Batch(_Compute):
    """The step runs as a job of AWS Batch."""

    name: ClassVar[str] = "batch"
    cpu: Any = None
    gpu: Any = None
    memory: Any = None
    queue: str | None = None
    iam_role: str | None = None
    execution_role: str | None = None
    max_swap: int | None = None
    swappiness: int | None = None
    inferentia: int | None = None
    trainium: int | None = None
    efa: int | None = None
    host_volumes: Any = None
    efs_volumes: Any = None
    aws_batch_tags: Any = None
    ephemeral_storage: int | None = None
    log_driver: str | None = None
    log_options: Any = None
    privileged: bool = False

    def __post_init__(self) -> None:
        self._sizes("cpu", "memory", "gpu", "shared_memory", "tmpfs_size", "ephemeral_storage")
        if self.inferentia is not None and self.trainium is not None:
            self.refuse("trainium", "to be given beside inferentia: they are the same")
        if self.swappiness is not None and not 0 <= int(self.swappiness) <= 100:
            self.refuse("swappiness", "a number from 0 to 100")


def kubernetes(method: Any = None, /, **attributes: Any) -> Any:  # Any: the method, or what decorates one
    """Run the step in a pod, with the options of Metaflow's `@kubernetes`."""
    return decorate(Kubernetes, method, attributes)


def batch(method: Any = None, /, **attributes: Any) -> Any:  # Any: the method, or what decorates one
    """Run the step as a job of AWS Batch, with the options of Metaflow's `@batch`."""
    return decorate(Batch, method, attributes)


def _pairs(given: Mapping[str, str] | str | None) -> dict[str, str] | None:
    """Read `a=b,c=d` or a mapping; None if it is neither."""
    if given is None:
        return {}
    if isinstance(given, Mapping):
        return {str(name): str(value) for name, value in given.items()}
    pairs = [pair.partition("=") for pair in str(given).split(",")]
    return {name: value for name, _, value in pairs} if all(equals for _, equals, _ in pairs) else None

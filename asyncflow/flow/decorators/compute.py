"""`@kubernetes` and `@batch`: where else a step may run, with the options of Metaflow's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from asyncflow.flow.decorators import batch_values
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
    """The step runs as a job of AWS Batch. What is None is decided by the environment, or by AWS Batch."""

    name: ClassVar[str] = "batch"
    cpu: Any = None
    """Cores; also 0.25 and 0.5 where there is Fargate."""
    gpu: Any = None
    memory: Any = None
    """MB."""
    queue: str | None = None
    iam_role: str | None = None
    """The job's own, for the store."""
    execution_role: str | None = None
    """Fargate's, for images and logs."""
    max_swap: int | None = None
    """MB."""
    swappiness: int | None = None
    inferentia: int | None = None
    trainium: int | None = None
    efa: int | None = None
    host_volumes: Any = None
    """Directories of the host, `/here` or `/there:/here`. Kept as a tuple."""
    efs_volumes: Any = None
    """File systems, `fs-1234`, which is mounted at /mnt/fs-1234, or `fs-1234:/here`. Kept as a tuple."""
    aws_batch_tags: Any = None
    """Kept as a dictionary."""
    ephemeral_storage: int | None = None
    """GB; Fargate's."""
    log_driver: str | None = None
    log_options: Any = None
    """Kept as a dictionary."""
    privileged: bool = False

    def __post_init__(self) -> None:
        self._check_numbers()
        if self.inferentia is not None and self.trainium is not None:
            self.refuse("trainium", "to be given beside inferentia: they are the same")
        for text in ("image", "queue", "iam_role", "execution_role", "executable"):
            value = getattr(self, text)
            if value is not None and not (isinstance(value, str) and value.strip()):
                self.refuse(text, "a text")
        for yes_or_no in ("privileged", "use_tmpfs", "tmpfs_tempdir"):
            self._keep(yes_or_no, batch_values.yes_or_no, "True or False")
        self._keep("tmpfs_path", batch_values.path, "an absolute path")
        self._keep("host_volumes", batch_values.host_volumes, "absolute paths, `/here` or `/there:/here`")
        self._keep("efs_volumes", batch_values.efs_volumes, "file systems, `fs-1234` or `fs-1234:/here`")
        self._keep("aws_batch_tags", batch_values.tags, batch_values.TAGS_WANTED)
        self._keep("log_options", batch_values.options, "names and values, such as {'awslogs-group': 'mine'}")
        if self.log_driver is not None and self.log_driver not in batch_values.LOG_DRIVERS:
            self.refuse("log_driver", f"one of {', '.join(batch_values.LOG_DRIVERS)}")

    def _check_numbers(self) -> None:
        self._sizes("memory", "gpu", "shared_memory", "tmpfs_size")
        if self.cpu is not None:
            self.number("cpu", at_least=0.25)
        for name, least in (
            ("inferentia", 1),
            ("trainium", 1),
            ("efa", 1),
            ("max_swap", 0),
            ("swappiness", 0),
        ):
            if getattr(self, name) is not None:
                self.number(name, at_least=least, is_whole=True)
        if self.swappiness is not None and self.swappiness > 100:
            self.refuse("swappiness", "a number from 0 to 100")
        if self.ephemeral_storage is not None:
            self.number("ephemeral_storage", at_least=21, is_whole=True)
            if self.ephemeral_storage > 200:
                self.refuse("ephemeral_storage", "a number from 21 to 200, in GB")

    def _keep(self, name: str, read: Callable[[Any], Any], wanted: str) -> None:  # Any: as given; as kept
        """Keep what `read` makes of an attribute; it raises ValueError for what it cannot read."""
        value = getattr(self, name)
        if value is None:
            return
        try:
            object.__setattr__(self, name, read(value))
        except ValueError:
            self.refuse(name, wanted)


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

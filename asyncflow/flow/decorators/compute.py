"""`@kubernetes` and `@batch`: where else a step may run, with the options of Metaflow's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

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
from asyncflow.flow.decorators import batch_values
from asyncflow.flow.decorators.base import StepDecorator, decorate
from asyncflow.records import field, record
from asyncflow.settings import setting

if TYPE_CHECKING:
    from asyncflow.flow.graph import StepInfo

__all__ = ["Batch", "Kubernetes", "batch", "kubernetes"]

_LABEL_WORDS = "at most 63 letters, digits, '-', '_', '.', with a letter or digit at both ends"


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
    """The step runs in a pod.

    `labels`, `annotations`, `node_selector` and `persistent_volume_claims` (claim to path) are mappings or texts
    `a=b,c=d`; `secrets` and `image_pull_secrets` lists or texts `a,b`. All are kept as mappings and lists.
    """

    name: ClassVar[str] = "kubernetes"
    cpu: Any = field(default_factory=lambda: setting("KUBERNETES_CPU", "1"))
    memory: Any = field(default_factory=lambda: setting("KUBERNETES_MEMORY", "4096"))
    """MB."""
    disk: Any = field(default_factory=lambda: setting("KUBERNETES_DISK", "10240"))
    """MB."""
    image_pull_policy: str | None = None
    image_pull_secrets: Any = None
    service_account: str | None = None
    secrets: Any = None
    """Kubernetes secrets whose entries become environment variables."""
    node_selector: Any = None
    namespace: str | None = None
    gpu: Any = None
    gpu_vendor: str | None = None
    """None: nvidia, or what METAFLOW_KUBERNETES_GPU_VENDOR says."""
    tolerations: Any = None
    """A list of mappings as in a pod, or JSON of one."""
    labels: Mapping[str, str] | str | None = None
    annotations: Any = None
    persistent_volume_claims: Mapping[str, str] | str | None = None
    port: int | None = None
    compute_pool: str | None = None
    hostname_resolution_timeout: int = 600
    """Seconds that members of a gang wait for their leader's name."""
    qos: str = field(default_factory=lambda: setting("KUBERNETES_QOS", "burstable"))
    extended_resources: Mapping[str, Any] = field(default_factory=dict[str, Any])
    security_context: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        self._check_sizes()
        self._check_words()
        self._check_names()
        self._check_labels()
        self._check_structures()

    def complaint(self, info: StepInfo) -> str:
        """Refuse what cannot be on one step with @kubernetes."""
        others = {decorator.name for decorator in info.decorators}
        if "batch" in others:
            return "has @kubernetes and @batch: it can run in one place only"
        if {"catch", "parallel"} <= others:
            return "has @catch and @parallel, which do not go together on Kubernetes"
        return ""

    def _check_sizes(self) -> None:
        self._sizes("gpu", "shared_memory", "tmpfs_size", "hostname_resolution_timeout")
        for name in ("cpu", "memory", "disk"):
            self.number(name)
            if not float(getattr(self, name)) > 0:
                self.refuse(name, "a positive number")
        if self.gpu is not None and float(self.gpu) != int(float(self.gpu)):
            self.refuse("gpu", "a whole number")
        if self.port is not None and not (isinstance(self.port, int) and 0 < self.port < 1 << 16):
            self.refuse("port", "a port, 1 to 65535")

    def _check_words(self) -> None:
        if self.gpu_vendor is not None and str(self.gpu_vendor).lower() not in ("nvidia", "amd"):
            self.refuse("gpu_vendor", "'nvidia' or 'amd'")
        if str(self.qos).lower() not in ("burstable", "guaranteed"):
            self.refuse("qos", "'Burstable' or 'Guaranteed'")
        if self.image_pull_policy not in (None, "Always", "IfNotPresent", "Never"):
            self.refuse("image_pull_policy", "'Always', 'IfNotPresent' or 'Never'")
        if self.image is not None and not is_image(str(self.image)):
            self.refuse("image", "the name of an image, like registry.example/team/name:tag")
        if not str(self.tmpfs_path).startswith("/"):
            self.refuse("tmpfs_path", "an absolute path")

    def _check_names(self) -> None:
        if self.namespace is not None and not is_dns_label(str(self.namespace)):
            self.refuse("namespace", "the name of a namespace (small letters, digits, '-')")
        if self.service_account is not None and not is_dns_subdomain(str(self.service_account)):
            self.refuse("service_account", "the name of a service account (small letters, digits, '-', '.')")
        if self.compute_pool is not None and not is_label_value(str(self.compute_pool)):
            self.refuse("compute_pool", f"a label's value: {_LABEL_WORDS}")
        for attribute in ("secrets", "image_pull_secrets"):
            names = names_of(getattr(self, attribute))
            if names is None or not all(is_dns_subdomain(name) for name in names):
                self.refuse(attribute, "a list of secrets' names (small letters, digits, '-', '.')")
            self._keep(attribute, names)

    def _check_labels(self) -> None:
        for attribute in ("labels", "node_selector"):
            pairs = mapping_of(getattr(self, attribute))
            if pairs is None or not all(is_label_name(one) and is_label_value(pairs[one]) for one in pairs):
                self.refuse(attribute, f"a mapping or a=b,c=d, with names and values of {_LABEL_WORDS}")
            self._keep(attribute, pairs)
        annotations = mapping_of(self.annotations)
        if annotations is None or not all(is_label_name(one) for one in annotations):
            self.refuse("annotations", "a mapping or a=b,c=d, with names like example.com/name")
        self._keep("annotations", annotations)

    def _check_structures(self) -> None:
        claims = mapping_of(self.persistent_volume_claims)
        if claims is None or not all(
            is_dns_subdomain(name) and path.startswith("/") for name, path in claims.items()
        ):
            self.refuse("persistent_volume_claims", "a mapping of claims' names to absolute paths")
        self._keep("persistent_volume_claims", claims)
        tolerations = tolerations_of(self.tolerations)
        if isinstance(tolerations, str):
            self.refuse("tolerations", tolerations)
        self._keep("tolerations", tolerations)
        resources = mapping_of(self.extended_resources)
        if resources is None or not all(is_label_name(one) and "/" in one for one in resources):
            self.refuse("extended_resources", "a mapping of names like example.com/device to amounts")
        self._keep("extended_resources", resources)
        if self.security_context is not None and not isinstance(self.security_context, Mapping):
            self.refuse("security_context", "a mapping, as a container's securityContext")

    def _keep(self, attribute: str, value: object) -> None:
        """Keep an attribute as it was read; None stays what was not given."""
        if getattr(self, attribute) is not None:
            object.__setattr__(self, attribute, value)


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

"""What a step asks of AWS Batch: `@batch`, what the command line says, and what the environment says, in one value."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping
from math import ceil
from typing import Any, NoReturn, cast

from asyncflow.backends.batch.failures import BatchOptionError
from asyncflow.backends.remote.platform import Size
from asyncflow.records import record
from asyncflow.settings import setting

__all__ = ["DEFAULT_CPU", "DEFAULT_MEMORY_MB", "LONGEST_S", "Options", "Settings", "resolve"]

DEFAULT_CPU = 1.0
DEFAULT_MEMORY_MB = 4096
LONGEST_S = 432_000
"""Five days, for steps without @timeout."""

_IMAGE = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d+)?/)?"  # registry
    r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"  # name
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)


@record
class Settings:
    """What holds for all steps: the command line's word, then ASYNCFLOW_X and METAFLOW_X, then what is usual."""

    queue: str | None = None
    """BATCH_JOB_QUEUE."""
    image: str = ""
    """BATCH_CONTAINER_IMAGE, else DEFAULT_CONTAINER_IMAGE, else Python's own of this version."""
    registry: str | None = None
    """BATCH_CONTAINER_REGISTRY, else DEFAULT_CONTAINER_REGISTRY: of images that name none."""
    iam_role: str | None = None
    """ECS_S3_ACCESS_IAM_ROLE."""
    execution_role: str | None = None
    """ECS_FARGATE_EXECUTION_ROLE."""
    tags: tuple[tuple[str, str], ...] = ()
    """BATCH_DEFAULT_TAGS, a JSON object."""
    emit_tags: bool = True
    """BATCH_EMIT_TAGS. No: jobs carry no tags but those that were asked for (it takes a permission of its own)."""
    public_ip: bool = True
    """BATCH_ASSIGN_PUBLIC_IP: whether Fargate's jobs get one; without it the subnet needs another way out."""
    longest_s: int = LONGEST_S
    """DEFAULT_RUNTIME_LIMIT."""

    @classmethod
    def read(
        cls,
        told: Mapping[str, Any],  # Any: what options of the command line said
        find: Callable[[str], str | None] = setting,
    ) -> Settings:
        """Read them. Raises UserError for what cannot be read.

        Args:
            told: By option: `queue`, `image`, `iam_role`, `execution_role`.
            find: Looks a setting up by its name without prefix.
        """
        python = f"python:{sys.version_info.major}.{sys.version_info.minor}"
        image = told.get("image") or find("BATCH_CONTAINER_IMAGE") or find("DEFAULT_CONTAINER_IMAGE")
        return cls(
            queue=told.get("queue") or find("BATCH_JOB_QUEUE"),
            image=image or python,
            registry=find("BATCH_CONTAINER_REGISTRY") or find("DEFAULT_CONTAINER_REGISTRY"),
            iam_role=told.get("iam_role") or find("ECS_S3_ACCESS_IAM_ROLE"),
            execution_role=told.get("execution_role") or find("ECS_FARGATE_EXECUTION_ROLE"),
            tags=_tags(find("BATCH_DEFAULT_TAGS")),
            emit_tags=_is_yes(find("BATCH_EMIT_TAGS")),
            public_ip=_is_yes(find("BATCH_ASSIGN_PUBLIC_IP")),
            longest_s=_seconds(find("DEFAULT_RUNTIME_LIMIT")),
        )


@record
class Options:
    """What one step's jobs are asked for with. Nothing is left to be decided but what the queue decides."""

    queue: str
    image: str
    cpu: float
    memory_mb: int
    gpu: int
    iam_role: str | None = None
    execution_role: str | None = None
    shared_memory_mb: int | None = None
    max_swap_mb: int | None = None
    swappiness: int | None = None
    tmpfs_path: str | None = None
    """None: there is none."""
    tmpfs_mb: int = 0
    is_tempdir: bool = False
    """The tmpfs is where `current.tempdir` is."""
    neuron: int = 0
    """Inferentia or Trainium devices."""
    efa: int = 0
    host_volumes: tuple[str, ...] = ()
    efs_volumes: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    ephemeral_storage_gb: int | None = None
    log_driver: str | None = None
    log_options: tuple[tuple[str, str], ...] = ()
    privileged: bool = False
    public_ip: bool = True
    emit_tags: bool = True
    longest_s: int = LONGEST_S


def resolve(
    given: Mapping[str, Any],  # Any: the values of `@batch`
    size: Size,
    settings: Settings,
    *,
    step: str = "",
    where: str = "",
) -> Options:
    """Make one value of a step's `@batch`, what it takes with @resources, and the settings.

    Args:
        step: Its name, for messages.
        where: `file:line` of it, for messages.

    Raises:
        BatchOptionError: There is no queue, or the image cannot be one.
    """

    def refuse(option: str, message: str, hint: str) -> NoReturn:
        raise BatchOptionError(f"Step {step}: @batch {option}: {message}", where=where, hint=hint)

    queue = given.get("queue") or settings.queue
    if not queue:
        hint = "Name one: @batch(queue='...'), --with batch:queue=..., or ASYNCFLOW_BATCH_JOB_QUEUE."
        refuse("queue", "there is no job queue", hint)
    image = _with_registry(given.get("image") or settings.image, settings.registry)
    if not _IMAGE.fullmatch(image):
        refuse("image", f"'{image}' is not an image", "Write it as registry/name:tag, such as python:3.12.")
    tags: Mapping[str, str] = given.get("aws_batch_tags") or {}
    log_options: Mapping[str, str] = given.get("log_options") or {}
    memory = ceil(size.memory_mb or DEFAULT_MEMORY_MB)
    return Options(
        queue=queue,
        image=image,
        cpu=size.cpu or DEFAULT_CPU,
        memory_mb=memory,
        gpu=ceil(size.gpu or 0),
        iam_role=given.get("iam_role") or settings.iam_role,
        execution_role=given.get("execution_role") or settings.execution_role,
        shared_memory_mb=_whole(given.get("shared_memory")),
        max_swap_mb=given.get("max_swap"),
        swappiness=given.get("swappiness"),
        **_tmpfs(given, memory),
        neuron=given.get("inferentia") or given.get("trainium") or 0,
        efa=given.get("efa") or 0,
        host_volumes=tuple(given.get("host_volumes") or ()),
        efs_volumes=tuple(given.get("efs_volumes") or ()),
        tags=tuple(sorted({**dict(settings.tags), **tags}.items())),
        ephemeral_storage_gb=given.get("ephemeral_storage"),
        log_driver=given.get("log_driver"),
        log_options=tuple(sorted(log_options.items())),
        privileged=bool(given.get("privileged")),
        public_ip=settings.public_ip,
        emit_tags=settings.emit_tags,
        longest_s=settings.longest_s,
    )


def _tmpfs(given: Mapping[str, Any], memory_mb: int) -> dict[str, Any]:  # Any: fields of Options
    """`tmpfs_size` alone asks for one, too."""
    if not given.get("use_tmpfs") and not given.get("tmpfs_size"):
        return {}
    return {
        "tmpfs_path": given.get("tmpfs_path") or "/metaflow_temp",
        "tmpfs_mb": ceil(given.get("tmpfs_size") or memory_mb / 2),
        "is_tempdir": bool(given.get("tmpfs_tempdir", True)),
    }


def _with_registry(image: str, registry: str | None) -> str:
    """Put the registry before an image that names none: its first part has neither a dot nor a port."""
    first, has_more, _ = image.partition("/")
    is_registry = bool(has_more) and ("." in first or ":" in first or first == "localhost")
    return image if is_registry or not registry else f"{registry.rstrip('/')}/{image}"


def _whole(value: float | None) -> int | None:
    return None if value is None else ceil(value)


def _is_yes(text: str | None) -> bool:
    return text is None or text.lower() not in ("0", "", "false")


def _tags(text: str | None) -> tuple[tuple[str, str], ...]:
    if not text:
        return ()
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise BatchOptionError(
            f"BATCH_DEFAULT_TAGS is not a JSON object of names and values: {text:.100}",
            hint='Write it like ASYNCFLOW_BATCH_DEFAULT_TAGS=\'{"team": "blue"}\'',
        )
    tags = cast("dict[str, object]", found)
    return tuple(sorted((name, str(value)) for name, value in tags.items()))


def _seconds(text: str | None) -> int:
    if text is None:
        return LONGEST_S
    if not text.isdigit() or not int(text):
        raise BatchOptionError(f"DEFAULT_RUNTIME_LIMIT is not a number of seconds: {text:.100}")
    return int(text)

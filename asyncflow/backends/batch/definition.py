"""Job definitions: everything about a step's jobs that is the same for all of them, registered once per shape. Pure.

A definition's name carries a digest of what it says, so that it is found again by its name, whoever registered it.
Command and environment come with each submission, the rest is here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import blake2b
from math import ceil
from typing import Any

from asyncflow.backends.batch.options import Options
from asyncflow.records import record

__all__ = ["Definition", "container_of", "define", "resources_of"]

Json = dict[str, Any]  # Any: JSON

_MOST_DEVICE_RIGHTS = ("READ", "WRITE", "MKNOD")


@record
class Definition:
    """A definition that may have to be registered."""

    name: str
    request: Json
    """What `register_job_definition` is called with."""


def define(options: Options, *, is_fargate: bool = False, nodes: int | None = None) -> Definition:
    """Describe the jobs of a step.

    Args:
        options: What is asked for.
        is_fargate: Its queue's machines are Fargate's.
        nodes: How many work together, for a gang; None: each on its own.
    """
    container = container_of(options, is_fargate=is_fargate)
    shape: Json = {
        "type": "container" if nodes is None else "multinode",
        "retryStrategy": {"attempts": 1},
        "platformCapabilities": ["FARGATE" if is_fargate else "EC2"],
    }
    if nodes is None:
        shape["containerProperties"] = container
    else:
        shape["nodeProperties"] = {
            "numNodes": nodes,
            "mainNode": 0,
            "nodeRangeProperties": [{"targetNodes": "0:", "container": container}],
        }
    name = f"asyncflow-{blake2b(_canonical(shape).encode(), digest_size=10).hexdigest()}"
    request = {"jobDefinitionName": name, **shape, "propagateTags": True}
    if options.emit_tags:
        request["tags"] = {"asyncflow/shape": name}
    return Definition(name=name, request=request)


def container_of(options: Options, *, is_fargate: bool) -> Json:
    """Return `containerProperties`."""
    container: Json = {
        "image": options.image,
        "resourceRequirements": resources_of(options, is_fargate=is_fargate),
        "linuxParameters": _linux(options),
    }
    optional: Json = {
        "jobRoleArn": options.iam_role,
        "executionRoleArn": options.execution_role,
        "privileged": options.privileged or None,
        "logConfiguration": _logging(options),
        "ephemeralStorage": _ephemeral(options),
    }
    container |= {name: value for name, value in optional.items() if value}
    volumes = _volumes(options)
    if volumes:
        container["volumes"] = [volume for volume, _ in volumes]
        container["mountPoints"] = [mount for _, mount in volumes]
    if is_fargate:
        container["networkConfiguration"] = {"assignPublicIp": "ENABLED" if options.public_ip else "DISABLED"}
        container["fargatePlatformConfiguration"] = {"platformVersion": "LATEST"}
    return container


def resources_of(options: Options, *, is_fargate: bool) -> list[dict[str, str]]:
    """Return `resourceRequirements`. EC2 counts whole cores only: parts of one are rounded up."""
    cpu = f"{options.cpu:g}" if is_fargate else str(max(1, ceil(options.cpu)))
    found = [("VCPU", cpu), ("MEMORY", str(options.memory_mb))]
    if options.gpu:
        found.append(("GPU", str(options.gpu)))
    return [{"type": kind, "value": value} for kind, value in found]


def _linux(options: Options) -> Json:
    """The init process hands signals on and takes zombies away: the worker is nobody's process 1."""
    found: Json = {"initProcessEnabled": True}
    numbers = {
        "sharedMemorySize": options.shared_memory_mb,
        "maxSwap": options.max_swap_mb,
        "swappiness": options.swappiness,
    }
    found |= {name: value for name, value in numbers.items() if value is not None}
    if options.tmpfs_path is not None:
        found["tmpfs"] = [
            {"containerPath": options.tmpfs_path, "size": options.tmpfs_mb, "mountOptions": ["rw", "exec"]}
        ]
    devices = [_device(f"/dev/neuron{at}", _MOST_DEVICE_RIGHTS[:2]) for at in range(options.neuron)]
    devices += [_device(f"/dev/infiniband/uverbs{at}", _MOST_DEVICE_RIGHTS) for at in range(options.efa)]
    if devices:
        found["devices"] = devices
    return found


def _device(path: str, rights: Sequence[str]) -> Json:
    return {"hostPath": path, "containerPath": path, "permissions": list(rights)}


def _volumes(options: Options) -> list[tuple[Json, Json]]:
    """Each volume with where it is mounted."""
    found: list[tuple[Json, Json]] = []
    for at, text in enumerate(options.host_volumes):
        there, _, here = text.partition(":")
        name = f"host-{at}"
        found.append(({"name": name, "host": {"sourcePath": there}}, _mount(name, here or there)))
    for at, text in enumerate(options.efs_volumes):
        system, _, here = text.partition(":")
        name = f"efs-{at}"
        about = {"fileSystemId": system, "transitEncryption": "ENABLED"}
        found.append(
            ({"name": name, "efsVolumeConfiguration": about}, _mount(name, here or f"/mnt/{system}"))
        )
    return found


def _mount(name: str, path: str) -> Json:
    return {"sourceVolume": name, "containerPath": path, "readOnly": False}


def _logging(options: Options) -> Json | None:
    if options.log_driver is None and not options.log_options:
        return None
    found: Json = {"logDriver": options.log_driver or "awslogs"}
    if options.log_options:
        found["options"] = dict(options.log_options)
    return found


def _ephemeral(options: Options) -> Json | None:
    return None if options.ephemeral_storage_gb is None else {"sizeInGiB": options.ephemeral_storage_gb}


def _canonical(shape: Json) -> str:
    return json.dumps(shape, sort_keys=True, separators=(",", ":"))

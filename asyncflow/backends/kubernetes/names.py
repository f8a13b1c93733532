"""How objects of ours are labelled and called, and how they are found again. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import NamedTuple

from asyncflow.backends.kubernetes.parts import Json, part
from asyncflow.backends.remote.platform import Gang, Job
from asyncflow.machine.ids import Attempt

__all__ = [
    "ATTEMPT",
    "CONTAINER",
    "GANG",
    "GANG_ATTEMPTS",
    "INDEX_ANNOTATION",
    "OWNER",
    "PREFIX",
    "RUN",
    "TASK",
    "TTL",
    "Identity",
    "attempts_of",
    "gang_name",
    "gang_object",
    "host_name",
    "identity_of",
    "labels_of",
    "legal_label",
    "selector",
]

PREFIX = "asyncflow/"
"""Of all labels and annotations of ours."""
OWNER = f"{PREFIX}owner"
RUN = f"{PREFIX}run"
TASK = f"{PREFIX}task"
ATTEMPT = f"{PREFIX}attempt"
GANG = f"{PREFIX}gang"
"""Label of a gang's members: the split task's id. The gang's Service selects by it."""
GANG_ATTEMPTS = f"{PREFIX}gang-attempts"
"""Annotation of a gang's Job and its pods, which all have the same labels: [[task, attempt], ...] by index, JSON."""
TTL = f"{PREFIX}ttl-seconds"
"""Annotation of a pod that is kept for a while when it has ended."""
INDEX_ANNOTATION = "batch.kubernetes.io/job-completion-index"
"""Where Kubernetes writes the index of an indexed Job's pod."""
CONTAINER = "main"
"""The container in which the step runs."""

_ILLEGAL = re.compile("[^A-Za-z0-9_.-]+")
_LONGEST = 63
_NOT_AT_ENDS = "-_."


class Identity(NamedTuple):
    """Whose object it is."""

    owner: str
    run: int
    attempt: Attempt


def legal_label(value: str) -> str:
    """Return a label's value that says the same as far as it may; equal ones come from equal values only.

    What is changed gets eight hex digits of a digest at its end.
    """
    text = _ILLEGAL.sub("-", value).strip(_NOT_AT_ENDS)
    if text == value and len(value) <= _LONGEST:
        return value
    digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    kept = text[: _LONGEST - 9].rstrip(_NOT_AT_ENDS)
    return f"{kept}-{digest}" if kept else digest


def labels_of(job: Job) -> dict[str, str]:
    """Return the labels that all attempts of a step's task have, but task and attempt."""
    return {
        "app.kubernetes.io/managed-by": "asyncflow",
        OWNER: job.owner,
        f"{PREFIX}user": legal_label(job.user),
        f"{PREFIX}flow": legal_label(job.flow),
        RUN: str(job.run),
        f"{PREFIX}step": legal_label(job.step),
    }


def selector(owner: str, run: int | None = None) -> str:
    """Return the label selector for objects of an owner, of one run or of all."""
    return f"{OWNER}={owner}" if run is None else f"{OWNER}={owner},{RUN}={run}"


def identity_of(metadata: Json) -> Identity | None:
    """Return whose pod it is, by its metadata. None: it is none of ours."""
    labels = part(metadata, "labels")
    try:
        return Identity(labels[OWNER], int(labels[RUN]), _attempt_of(metadata, labels))
    except (KeyError, ValueError, IndexError, TypeError):
        return None


def attempts_of(metadata: Json) -> Sequence[Attempt]:
    """Return the attempts of a gang's Job, by index."""
    annotations = part(metadata, "annotations")
    try:
        return [Attempt(int(task), int(number)) for task, number in json.loads(annotations[GANG_ATTEMPTS])]
    except (KeyError, ValueError, TypeError):
        return []


def gang_name(job: Job, gang: Gang) -> str:
    """Return the name of a gang's Job and of its Service."""
    return gang_object(job.owner, job.run, gang.id)


def gang_object(owner: str, run: int, gang: int | str) -> str:
    """Return the same, for who knows the gang by its label only."""
    return f"af-{owner}-{run}-g{gang}"


def host_name(job: Job, gang: Gang, index: int) -> str:
    """Return the host name of a member, the same for all its attempts; the Job gives its pods just these."""
    return f"{gang_name(job, gang)}-{index}"


def _attempt_of(metadata: Json, labels: Json) -> Attempt:
    if TASK in labels:
        return Attempt(int(labels[TASK]), int(labels[ATTEMPT]))
    annotations = part(metadata, "annotations")
    task, number = json.loads(annotations[GANG_ATTEMPTS])[int(annotations[INDEX_ANNOTATION])]
    return Attempt(int(task), int(number))

"""Which jobs go into one request, and what it says. Pure.

Jobs of one step whose places in the spec object follow each other, and that are alike in size and time limit, are one
array; the members of a gang are one multi-node job; what is alone is alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from math import ceil
from typing import Any

from asyncflow.backends.batch.naming import (
    ARRAY,
    ATTEMPTS_PARAMETER,
    GANG,
    LONGEST_ATTEMPTS,
    ONE,
    Kind,
    attempts_text,
    job_name,
    tags_of,
)
from asyncflow.backends.batch.options import Options
from asyncflow.backends.remote.platform import GANG_SIZE_VARIABLE, Job, array_environment, environment_of
from asyncflow.machine.ids import Attempt
from asyncflow.records import record

__all__ = [
    "GRACE_S",
    "LEAST_TIMEOUT_S",
    "MOST_IN_ARRAY",
    "MOST_OVERRIDES",
    "Submission",
    "complaint_of",
    "group",
    "request_of",
]

MOST_IN_ARRAY = 10_000
MOST_OVERRIDES = 8192
"""Characters of a command and its environment, as JSON."""
GRACE_S = 60
"""Longer than @timeout, which the worker heeds by itself and can tell of."""
LEAST_TIMEOUT_S = 60

_ARRAY_INDEX = "AWS_BATCH_JOB_ARRAY_INDEX"
_NODE_INDEX = "AWS_BATCH_JOB_NODE_INDEX"
_MASTER_PORT = "29500"
_GANG_SHELL = (
    "MF_PARALLEL_NODE_INDEX=$AWS_BATCH_JOB_NODE_INDEX; "
    "MF_MASTER_ADDR=${AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS:-$(hostname -i 2>/dev/null || echo 127.0.0.1)}; "
    'MF_MASTER_ADDR=${MF_MASTER_ADDR%% *}; export MF_PARALLEL_NODE_INDEX MF_MASTER_ADDR; exec "$0" "$@"'
)
"""Only the node itself can tell the address of the first one, under the name that Metaflow has for it: AWS Batch gives
it to the others."""


@record
class Submission:
    """Jobs that are one request."""

    kind: Kind
    jobs: tuple[Job, ...]
    name: str

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """The attempts, in the order of the job's children."""
        return tuple(job.attempt for job in self.jobs)


def group(jobs: Iterable[Job]) -> list[Submission]:
    """Group jobs of one step into requests, in their order."""
    alone: list[Job] = []
    gangs: dict[int, list[Job]] = {}
    for job in jobs:
        if job.gang is None:
            alone.append(job)
        else:
            gangs.setdefault(job.gang.id, []).append(job)
    found = [_submission(ARRAY, run) for run in _runs(alone)]
    for members in gangs.values():
        found += _gang(members)
    return found


def request_of(submission: Submission, options: Options, definition: str) -> dict[str, Any]:  # Any: JSON
    """Return what `submit_job` is called with.

    Args:
        definition: Name and revision of the job definition, or its ARN.
    """
    first = submission.jobs[0]
    request: dict[str, Any] = {
        "jobName": submission.name,
        "jobQueue": options.queue,
        "jobDefinition": definition,
        "timeout": {"attemptDurationSeconds": _timeout_s(first, options)},
    }
    command = ["sh", "-c", _GANG_SHELL] if submission.kind is GANG else []
    override = {
        "command": [*command, *first.command],
        "environment": _pairs(_environment(submission, options)),
    }
    if submission.kind is GANG:
        nodes = [{"targetNodes": "0:", "containerOverrides": override}]
        request["nodeOverrides"] = {"numNodes": len(submission.jobs), "nodePropertyOverrides": nodes}
    else:
        request["containerOverrides"] = override
    if submission.kind is ARRAY:
        request["arrayProperties"] = {"size": len(submission.jobs)}
    if submission.kind is not ONE:
        request["parameters"] = {ATTEMPTS_PARAMETER: attempts_text(submission.attempts)}
    tags = tags_of(submission.kind, submission.jobs) if options.emit_tags else {}
    if options.tags or tags:
        request["tags"] = {**tags, **dict(options.tags)}
        request["propagateTags"] = True
    return request


def complaint_of(request: Mapping[str, Any]) -> str:  # Any: JSON
    """Say why AWS would take a request and let its jobs fail; empty: nothing is known."""
    length = len(
        json.dumps(request.get("containerOverrides") or request.get("nodeOverrides"), ensure_ascii=False)
    )
    if length <= MOST_OVERRIDES:
        return ""
    return (
        f"its command and environment are {length} characters long together, and AWS Batch takes {MOST_OVERRIDES}; "
        "shorten what @environment sets"
    )


def _runs(jobs: Sequence[Job]) -> Iterator[list[Job]]:
    """Cut jobs where their places do not follow, where they are not alike, and where an array would be too long."""
    run: list[Job] = []
    for job in jobs:
        if run and (not _follows(run[-1], job) or len(run) == MOST_IN_ARRAY):
            yield from _short_enough(run)
            run = []
        run.append(job)
    if run:
        yield from _short_enough(run)


def _follows(before: Job, job: Job) -> bool:
    return (
        job.index == before.index + 1
        and job.step == before.step
        and job.size == before.size
        and job.timeout_s == before.timeout_s
    )


def _short_enough(run: list[Job]) -> Iterator[list[Job]]:
    """Cut an array whose attempts are in such disorder that a job cannot tell them all."""
    if len(attempts_text([job.attempt for job in run])) <= LONGEST_ATTEMPTS:
        yield run
        return
    half = len(run) // 2
    yield from _short_enough(run[:half])
    yield from _short_enough(run[half:])


def _gang(members: list[Job]) -> list[Submission]:
    """One job of many nodes if the gang is whole and in order, else (one of it is tried again) each alone."""
    members = sorted(members, key=_place_in_gang)
    gang = members[0].gang
    follow = all(
        after.index == job.index + 1 for job, after in zip(members, islice(members, 1, None), strict=False)
    )
    if gang is not None and gang.size == len(members) > 1 and follow:
        return [_submission(GANG, members)]
    return [_submission(ONE, [job]) for job in members]


def _place_in_gang(job: Job) -> int:
    return job.gang.index if job.gang is not None else 0


def _submission(kind: Kind, jobs: list[Job]) -> Submission:
    kind = ONE if len(jobs) == 1 else kind
    return Submission(kind=kind, jobs=tuple(jobs), name=job_name(kind, jobs))


def _environment(submission: Submission, options: Options) -> dict[str, str]:
    jobs = submission.jobs
    if submission.kind is ONE:
        environment = environment_of(jobs[0])
    else:
        environment = array_environment(jobs, _ARRAY_INDEX if submission.kind is ARRAY else _NODE_INDEX)
    if submission.kind is GANG:
        environment = {
            "MF_MASTER_PORT": _MASTER_PORT,
            "MF_WORLD_SIZE": str(len(jobs)),
            "MF_PARALLEL_NUM_NODES": str(len(jobs)),
            "MF_CONTROL_INDEX": "0",
            GANG_SIZE_VARIABLE: str(len(jobs)),
            **environment,
        }
    if options.is_tempdir and options.tmpfs_path is not None:
        environment = {**environment, "METAFLOW_TEMPDIR": options.tmpfs_path}
    return environment


def _pairs(environment: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in environment.items()]


def _timeout_s(job: Job, options: Options) -> int:
    if job.timeout_s is None:
        return max(LEAST_TIMEOUT_S, options.longest_s)
    return max(LEAST_TIMEOUT_S, ceil(job.timeout_s) + GRACE_S)

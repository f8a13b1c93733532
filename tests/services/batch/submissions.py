"""From the body of a SubmitJob request to a job, refused as Batch refuses it."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

from moto.batch.exceptions import ClientException

from tests.services.batch.jobs import Job
from tests.services.batch.shapes import Json, Plan, gang, merged, retry_of
from tests.services.batch.words import MOST_CHILDREN, MOST_JOB_BYTES, SHORTEST_TIMEOUT_S

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_MOST_ATTEMPTS = 10
_MOST_CONDITIONS = 5
_MOST_DEPENDENCIES = 20


def refused(text: str) -> ClientException:
    """Return an error in the frame that Batch puts around its messages."""
    return ClientException(f"Error executing request, Exception : {text}, RequestId: {uuid.uuid4()}")


def read(backend: Any, body: Json) -> Job:  # Any: moto's BatchBackend
    """Return the job that is asked for, with its children or nodes. Raises ClientException."""
    size = len(json.dumps(body, separators=(",", ":")))
    if size > MOST_JOB_BYTES:
        raise refused(f"Job size must be less than {MOST_JOB_BYTES >> 10} KiB, got {size >> 10} KiB")
    if not is_name(body.get("jobName") or ""):
        raise refused("Job name should match valid pattern")
    definition = _definition(backend, body.get("jobDefinition") or "")
    queue = backend.get_job_queue(body.get("jobQueue") or "")
    if queue is None:
        raise refused(f"JobQueue {body.get('jobQueue')} not found.")
    if queue.state == "DISABLED":
        raise refused(f"JobQueue {queue.arn} is disabled.")
    parameters = {**definition.parameters, **(body.get("parameters") or {})}
    job = Job(
        name=body["jobName"],
        queue=queue,
        definition=definition,
        backend=backend,
        plan=_plan(definition, body, parameters),
    )
    job.parameters = parameters
    job.retry = retry_of(_strategy(body.get("retryStrategy")), definition.retry_strategy)
    job.timeout_s = _timeout(body.get("timeout") or definition.timeout)
    job.propagate_tags = bool(body.get("propagateTags", definition.propagate_tags or False))
    job.tags = dict(body.get("tags") or {})
    job.share = body.get("shareIdentifier")
    job.depends_on = list(body.get("dependsOn") or ())
    if len(job.depends_on) > _MOST_DEPENDENCIES:
        raise refused(f"Number of job dependencies exceeds the limit of {_MOST_DEPENDENCIES}")
    _spread(job, body.get("arrayProperties") or {})
    return job


def is_name(text: str) -> bool:
    """Say whether Batch takes a text as a job's or a definition's name."""
    return _NAME.fullmatch(text) is not None


def _definition(backend: Any, name: str) -> Any:  # Any: moto's
    definition = backend.get_job_definition(name)
    if definition is None:
        raise refused(f"JobDefinition {name} not found.")
    if definition.status != "ACTIVE":
        raise refused(f"JobDefinition {definition.arn} is not ACTIVE.")
    return definition


def _plan(definition: Any, body: Json, parameters: dict[str, str]) -> Plan:
    if definition.node_properties is not None:
        if body.get("containerOverrides"):
            raise refused("Container overrides should not be set for multinode job definitions")
        if body.get("arrayProperties"):
            raise refused("Multinode jobs cannot be array jobs")
        return gang(definition.node_properties, body.get("nodeOverrides"), parameters)
    if definition.container_properties is None:
        raise refused(f"JobDefinition {definition.arn} has no containerProperties")
    shape = merged(definition.container_properties, body.get("containerOverrides"), parameters)
    return Plan(shapes=[shape])


def _strategy(given: Json | None) -> Json | None:
    if given is None:
        return None
    if not 1 <= int(given.get("attempts") or 1) <= _MOST_ATTEMPTS:
        raise refused(f"RetryStrategy attempts must be between 1 and {_MOST_ATTEMPTS}")
    if len(given.get("evaluateOnExit") or ()) > _MOST_CONDITIONS:
        raise refused(f"RetryStrategy evaluateOnExit has more than {_MOST_CONDITIONS} conditions")
    return given


def _timeout(given: Json | None) -> int | None:
    seconds = (given or {}).get("attemptDurationSeconds")
    if seconds is None:
        return None
    if int(seconds) < SHORTEST_TIMEOUT_S:
        raise refused(f"Timeout attemptDurationSeconds must be at least {SHORTEST_TIMEOUT_S} seconds")
    return int(seconds)


def _spread(job: Job, array: Json) -> None:
    if job.plan.is_gang:
        job.nodes = [job.node_job(node) for node in range(len(job.plan.shapes))]
        return
    if "size" not in array:
        return
    size = int(array["size"])
    if not 2 <= size <= MOST_CHILDREN:
        raise refused(f"ArrayProperties size must be between 2 and {MOST_CHILDREN}")
    job.children = [job.child(index) for index in range(size)]
    job.summary[job.status] = size

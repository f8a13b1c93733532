"""Puts the engine into moto: its Batch answers with our jobs, the rest of it stays as it is."""

from __future__ import annotations

import base64
import json
from typing import Any

from moto.batch import models, responses

from tests.services.batch import submissions
from tests.services.batch.engine import Engine, listed
from tests.services.batch.jobs import Job, detail_of, now_ms, summary_of
from tests.services.batch.shapes import Json
from tests.services.batch.words import MOST_DESCRIBED

_PAGE = 100


def install(engine: Engine) -> None:
    """Replace moto's handling of jobs, and mend what its job definitions lack."""
    for name, do in (
        ("submitjob", _submit),
        ("describejobs", _describe),
        ("listjobs", _list),
        ("terminatejob", _terminate),
        ("canceljob", _cancel),
    ):
        setattr(responses.BatchResponse, name, _bound(engine, do))
    _mend_definitions()
    backend: Any = models.BatchBackend  # Any: what is changed here is not in its type
    reset = backend.reset

    def reset_all(self: Any) -> None:
        engine.reset()
        reset(self)

    backend.reset = reset_all


def _bound(engine: Engine, do: Any) -> Any:
    def method(response: Any) -> str:
        body = json.loads(response.body or "{}")
        return json.dumps(do(engine, response.batch_backend, body))

    return method


def _submit(engine: Engine, backend: Any, body: Json) -> Json:
    job = submissions.read(backend, body)
    engine.submit(job)
    return {"jobId": job.id, "jobName": job.name, "jobArn": job.arn}


def _describe(engine: Engine, backend: Any, body: Json) -> Json:
    asked = body.get("jobs") or []
    if len(asked) > MOST_DESCRIBED:
        raise submissions.refused(f"Number of jobs to describe exceeds the limit of {MOST_DESCRIBED}")
    with engine.lock:
        found = [engine.jobs.get(each.rpartition("/")[2]) for each in asked]
        return {"jobs": [detail_of(job) for job in dict.fromkeys(found) if job is not None]}


def _list(engine: Engine, backend: Any, body: Json) -> Json:
    with engine.lock:
        newest = now_ms() - engine.pace.list_lag_s * 1000
        known = [job for job in _of(engine, backend, body) if job.created_ms <= newest]
        jobs = listed(engine, body, known)
        start = _page(body.get("nextToken"))
        size = min(int(body.get("maxResults") or _PAGE), _PAGE)
        told: Json = {"jobSummaryList": [summary_of(job) for job in jobs[start : start + size]]}
        if start + size < len(jobs):
            told["nextToken"] = base64.b64encode(str(start + size).encode()).decode()
        return told


def _of(engine: Engine, backend: Any, body: Json) -> list[Job]:
    """Return the jobs among which is to be listed, the newest first."""
    for name, part in (("arrayJobId", "children"), ("multiNodeJobId", "nodes")):
        if body.get(name):
            job = engine.jobs.get(body[name])
            return list((getattr(job, part) if job else None) or ())
    queue = backend.get_job_queue(body.get("jobQueue") or "")
    if queue is None:
        raise submissions.refused(f"JobQueue {body.get('jobQueue')} not found.")
    return engine.by_queue[queue.arn][::-1]


def _page(token: str | None) -> int:
    return int(base64.b64decode(token)) if token else 0


def _terminate(engine: Engine, backend: Any, body: Json) -> Json:
    job = engine.jobs.get(_reasoned(body))
    if job is not None:
        engine.terminate(job, body["reason"])
    return {}


def _cancel(engine: Engine, backend: Any, body: Json) -> Json:
    job = engine.jobs.get(_reasoned(body))
    if job is not None:
        engine.cancel(job, body["reason"])
    return {}


def _reasoned(body: Json) -> str:
    if not body.get("reason"):
        raise submissions.refused("'reason' is a required field")
    return str(body.get("jobId") or "")


def _mend_definitions() -> None:
    """A new revision is what is registered, not a mixture with the last; gangs are told; answers come in pages."""
    definition: Any = models.JobDefinition  # Any: as above
    backend: Any = models.BatchBackend
    response: Any = responses.BatchResponse
    describe = definition.describe
    register = backend.register_job_definition

    def describe_all(self: Any) -> Json:
        told = describe(self)
        told["retryStrategy"] = self.retry_strategy or {}
        if self.node_properties is not None:
            told["nodeProperties"] = self.node_properties
        return told

    def register_anew(self: Any, **given: Any) -> Any:
        if given["def_name"] and not submissions.is_name(given["def_name"]):
            raise submissions.refused("Job definition name should match valid pattern")
        last = self.get_job_definition_by_name(given["def_name"])
        if last is None:
            return register(self, **given)
        made = definition(
            given["def_name"],
            given["parameters"],
            given["_type"],
            given["container_properties"],
            node_properties=given["node_properties"],
            eks_properties=given["eks_properties"],
            tags=given["tags"] or {},
            retry_strategy=given["retry_strategy"],
            timeout=given["timeout"],
            backend=self,
            platform_capabilities=given["platform_capabilities"],
            propagate_tags=given["propagate_tags"],
            revision=last.revision,
        )
        self._job_definitions[made.arn] = made
        return made

    definition.describe = describe_all
    backend.register_job_definition = register_anew
    response.describejobdefinitions = _describe_definitions


def _describe_definitions(response: Any) -> str:
    body = json.loads(response.body or "{}")
    found = response.batch_backend.describe_job_definitions(
        body.get("jobDefinitionName"), body.get("jobDefinitions"), body.get("status")
    )
    start = _page(body.get("nextToken"))
    size = min(int(body.get("maxResults") or _PAGE), _PAGE)
    told: Json = {"jobDefinitions": [each.describe() for each in found[start : start + size]]}
    if start + size < len(found):
        told["nextToken"] = base64.b64encode(str(start + size).encode()).decode()
    return json.dumps(told)

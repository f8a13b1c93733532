"""`asyncflow doctor --backend batch`: looks at everything a run needs, and says what is missing and what to do."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import Any

from asyncflow.backends.batch.caller import Caller, MayBeDone, Refusal, open_caller
from asyncflow.backends.batch.failures import Problem
from asyncflow.backends.batch.identities import examine_image, examine_role
from asyncflow.backends.batch.instances import instance_types
from asyncflow.backends.batch.options import Options, Settings
from asyncflow.backends.batch.queues import Queue, look_at_queue
from asyncflow.backends.batch.requirements import check_queue, check_step
from asyncflow.backends.remote.platform import Size
from asyncflow.backends.remote.provider import Finding, PlatformContext, StepRequest
from asyncflow.errors import AsyncflowError
from asyncflow.store.s3.address import parse_url
from asyncflow.store.s3.aio import S3Objects

__all__ = ["examine"]

_TRIES = 3
"""Somebody waits."""
_NOBODY = "00000000-0000-0000-0000-000000000000"
_PROBES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("describe and list jobs", "describe_jobs", {"jobs": [_NOBODY]}),
    ("find job definitions", "describe_job_definitions", {"jobDefinitionName": "asyncflow-none"}),
    (
        "register job definitions",
        "register_job_definition",
        {"jobDefinitionName": "asyncflow none", "type": "container"},
    ),
    ("end jobs", "terminate_job", {"jobId": _NOBODY, "reason": "asyncflow doctor"}),
)
"""Requests that AWS refuses for what they ask, unless it refuses them for who asks; none of them changes anything."""


async def examine(context: PlatformContext) -> list[Finding]:
    """Look at everything. See `Provider.examine`."""
    found: list[Finding] = []
    try:
        async for finding in _examine(context):
            found.append(finding)  # noqa: PERF401 - what was found before an error counts
    except AsyncflowError as error:
        found.append(_bad("AWS Batch", error))
    return found


async def _examine(context: PlatformContext) -> AsyncGenerator[Finding, None]:
    settings = Settings.read(context.settings)
    steps = context.steps or [StepRequest(step="(any)", options={}, size=Size())]
    async with open_caller(tries=_TRIES) as caller:
        yield Finding("region", is_ok=True, told=caller.region)
        who = await _identity(caller)
        yield who
        if not who.is_ok:
            return
        wanted: list[tuple[StepRequest, Options]] = []
        for step in steps:
            try:
                wanted.append((step, check_step(step, settings)))
            except AsyncflowError as error:
                yield _bad(f"step {step.step}", error)
        async for finding in _queues(caller, wanted):
            yield finding
        async for finding in _permissions(caller, [options.queue for _, options in wanted]):
            yield finding
        async for finding in _identities(caller, [options for _, options in wanted]):
            yield finding
    if context.store_url:
        yield await _bucket(context.store_url)


async def _identity(caller: Caller) -> Finding:
    try:
        answer = await caller.ask("get_caller_identity", "It cannot be seen who asks", service="sts")
    except AsyncflowError as error:
        return _bad("credentials", error)
    return Finding("credentials", is_ok=True, told=f"{answer['Arn']} of account {answer['Account']}")


async def _queues(
    caller: Caller, wanted: Sequence[tuple[StepRequest, Options]]
) -> AsyncGenerator[Finding, None]:
    known: dict[str, Queue] = {}
    for name in dict.fromkeys(options.queue for _, options in wanted):
        try:
            known[name] = await look_at_queue(caller, name)
        except AsyncflowError as error:
            yield _bad(f"queue {name}", error)
        else:
            yield _queue(known[name])
            for machines in known[name].machines:
                most = "" if machines.max_vcpus is None else f", up to {machines.max_vcpus} cores"
                told = machines.trouble or f"{machines.kind or 'not managed by AWS Batch'}{most}"
                hint = "Enable or mend it in the console of AWS Batch." if machines.trouble else ""
                yield Finding(f"machines {machines.name}", not machines.trouble, told, hint)
    types = {name: await instance_types(caller, queue) for name, queue in known.items()}
    for step, options in wanted:
        queue = known.get(options.queue)
        if queue is None or queue.why_waiting:
            continue
        try:
            check_queue(step, options, queue, types[options.queue])
        except AsyncflowError as error:
            yield _bad(f"step {step.step}", error)


def _queue(queue: Queue) -> Finding:
    kind = "Fargate" if queue.is_fargate else "EC2"
    hint = "Enable it: aws batch update-job-queue --state ENABLED --job-queue NAME" if queue.trouble else ""
    told = queue.trouble or f"it takes jobs, for {kind}{' (spot)' if queue.is_spot else ''}"
    return Finding(f"queue {queue.name}", not queue.trouble, told, hint)


async def _permissions(caller: Caller, queues: Iterable[str]) -> AsyncGenerator[Finding, None]:
    for what, operation, arguments in _PROBES:
        yield await _permission(caller, what, operation, arguments)
    for queue in dict.fromkeys(queues):
        given = {"jobName": "asyncflow-doctor", "jobQueue": queue, "jobDefinition": "asyncflow-none:1"}
        yield await _permission(caller, f"submit jobs to {queue}", "submit_job", given)


async def _permission(caller: Caller, what: str, operation: str, arguments: dict[str, Any]) -> Finding:
    name = f"permission to {what}"
    action = f"batch:{''.join(word.capitalize() for word in operation.split('_'))}"
    problem: Problem | None = None
    try:
        await caller.try_(operation, **arguments)
    except (Refusal, MayBeDone) as error:
        problem = error.problem
    if problem is None or problem.is_about_request:
        return Finding(name, is_ok=True, told="given")
    hint = f"Allow {action} to the user or role that runs flows." if problem.is_denied else ""
    return Finding(name, is_ok=False, told=f"{problem.code}: {problem.text}", hint=hint)


async def _identities(caller: Caller, wanted: Sequence[Options]) -> AsyncGenerator[Finding, None]:
    jobs = dict.fromkeys(options.iam_role for options in wanted if options.iam_role)
    for role in jobs:
        yield await examine_role(caller, role, "iam_role")
    if wanted and not jobs:
        yield Finding(
            "iam_role",
            is_ok=False,
            told="there is none: jobs have what the role of their machines may, on Fargate nothing",
            hint="Name one that may use the bucket: @batch(iam_role=...) or ASYNCFLOW_ECS_S3_ACCESS_IAM_ROLE.",
        )
    for role in dict.fromkeys(options.execution_role for options in wanted if options.execution_role):
        yield await examine_role(caller, role, "execution_role")
    for image in dict.fromkeys(options.image for options in wanted):
        yield await examine_image(caller, image)


async def _bucket(url: str) -> Finding:
    if not url.startswith("s3"):
        return Finding(
            "store",
            is_ok=False,
            told=f"jobs cannot reach {url}",
            hint="Keep runs in a bucket: --store s3://bucket/prefix",
        )
    try:
        async with S3Objects(parse_url(url)) as objects:
            await objects.check()
    except AsyncflowError as error:
        return _bad("store", error)
    return Finding("store", is_ok=True, told=f"{url} can be read")


def _bad(what: str, error: AsyncflowError) -> Finding:
    return Finding(what, is_ok=False, told=error.message, hint=error.hint)

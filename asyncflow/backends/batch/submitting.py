"""Asks AWS Batch for jobs, each once, although AWS takes no token that would make a request safe to repeat.

Names are always the same for the same attempts. Where the answer to a submission is lost, it is looked for a job of
that name, twice with a pause between, before it is submitted again; and a while later, whether there are two after all.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from typing import Any

import anyio

from asyncflow.backends.batch.asking import Details, in_turns, list_named, terminate
from asyncflow.backends.batch.book import Book, Tracked
from asyncflow.backends.batch.caller import Caller, MayBeDone, Refusal
from asyncflow.backends.batch.definition import Definition, define
from asyncflow.backends.batch.failures import BatchOptionError, BatchQueueError
from asyncflow.backends.batch.naming import GANG
from asyncflow.backends.batch.options import Options, Settings, resolve
from asyncflow.backends.batch.pace import Pace
from asyncflow.backends.batch.queues import Queue, look_at_queue
from asyncflow.backends.batch.submission import Submission, complaint_of, group, request_of
from asyncflow.backends.remote.platform import EndReason, Job, Refused
from asyncflow.errors import AsyncflowError
from asyncflow.machine.ids import Attempt
from asyncflow.store.s3.policy import pause_s

__all__ = ["Submitter"]

_WHAT = "Jobs cannot be submitted"
_OVER = ("SUCCEEDED", "FAILED")


class Submitter:
    """Submits a run's jobs and notes them in its book.

    Args:
        settings: What holds for all steps.
        queues: Those that are known already, by the names that steps have for them.
    """

    def __init__(
        self, caller: Caller, book: Book, pace: Pace, *, settings: Settings, queues: dict[str, Queue]
    ) -> None:
        self._caller = caller
        self._book = book
        self._pace = pace
        self._settings = settings
        self._queues = queues
        self._definitions: dict[str, str] = {}
        """ARNs by name."""
        self._registering = anyio.Lock()
        self._under_way: dict[str, Submission] = {}
        self._repeated: dict[str, tuple[str, float]] = {}
        """Names that were submitted again, with their queue, and when to look whether there are two."""

    async def submit(self, jobs: Sequence[Job]) -> list[Refused]:
        """Ask for jobs that the book does not know; return those that were refused.

        Raises:
            PlatformError: None of them could be asked for.
        """
        refusals: list[Refused] = []
        failures: list[AsyncflowError] = []

        async def ask(submission: Submission) -> None:
            try:
                refusals.extend(await self._submit(submission))
            except AsyncflowError as error:
                failures.append(error)
                refusals.extend(_refused(submission, EndReason.LOST, error.message))

        wanted = group(jobs)
        await in_turns(ask, wanted)
        if failures and len(failures) == len(wanted):
            raise failures[0]
        return refusals

    def names_under_way(self) -> dict[str, str]:
        """Return the names of submissions that have begun and of which nothing is known, with their queues."""
        return {name: self._options(one.jobs[0]).queue for name, one in self._under_way.items()}

    def is_under_way(self, attempt: Attempt) -> bool:
        """Whether the attempt is being submitted, or was and it is not known how that went."""
        return any(attempt in one.attempts for one in self._under_way.values())

    @property
    def has_repeated(self) -> bool:
        """Whether it is to be looked for jobs that are there twice."""
        return bool(self._repeated)

    async def end_twins(self) -> None:
        """Look whether what was submitted again is there twice, and end what is too much. Raises PlatformError."""
        now = time.monotonic()
        for name, (queue, at) in list(self._repeated.items()):
            if at > now:
                continue
            del self._repeated[name]
            twins = [job async for job in list_named(self._caller, queue, name) if job["status"] not in _OVER]
            surplus = [str(job["jobId"]) for job in twins if self._book.job(str(job["jobId"])) is None]
            await terminate(self._caller, surplus, "asyncflow: it was submitted twice")

    async def _submit(self, submission: Submission) -> list[Refused]:
        """Ask for one job and note it. What is interrupted stays noted as under way."""
        try:
            options = self._options(submission.jobs[0])
            queue = await self._queue(options.queue)
            nodes = len(submission.jobs) if submission.kind is GANG else None
            definition = await self._definition(define(options, is_fargate=queue.is_fargate, nodes=nodes))
        except (BatchOptionError, BatchQueueError) as error:
            return _refused(submission, EndReason.UNSCHEDULABLE, error.message)
        except Refusal as refused:
            return self._refusals(submission, refused)
        request = request_of(submission, options, definition)
        complaint = complaint_of(request)
        if complaint:
            return _refused(
                submission, EndReason.UNSCHEDULABLE, f"Step {submission.jobs[0].step}: {complaint}"
            )
        self._under_way[submission.name] = submission
        try:
            id = await self._request(request, options.queue)
        except Refusal as refused:
            del self._under_way[submission.name]
            return self._refusals(submission, refused)
        tracked = Tracked(
            id, submission.name, submission.kind, submission.attempts, queue=queue, since=time.monotonic()
        )
        self._book.add(tracked)
        del self._under_way[submission.name]
        return []

    async def _request(self, request: dict[str, Any], queue: str) -> str:  # Any: JSON
        """Submit and return the id. Raises Refusal, PlatformError."""
        name = str(request["jobName"])
        tries = 0
        while True:
            tries += 1
            try:
                answer = await self._caller.try_("submit_job", once=True, **request)
                return str(answer["jobId"])
            except MayBeDone as lost:
                problem = lost.problem
            found = await self._look_for(queue, name, tries)
            if found is not None:
                return str(found["jobId"])
            if tries >= self._pace.tries:
                raise self._caller.told(problem, _WHAT)
            self._repeated[name] = (queue, time.monotonic() + self._pace.twins_after_s)

    async def _look_for(self, queue: str, name: str, tries: int) -> Details | None:
        """Look twice for a job: what was submitted a moment ago may not be listed yet."""
        for look in range(2):
            await anyio.sleep(pause_s(tries + look + 2, random.random()))
            found = [job async for job in list_named(self._caller, queue, name)]
            if found:
                return min(found, key=lambda job: int(job.get("createdAt") or 0))
        return None

    def _refusals(self, submission: Submission, refused: Refusal) -> list[Refused]:
        """Of what AWS says of the request itself; raises PlatformError for what it says of everything."""
        problem = refused.problem
        if not problem.is_about_request:
            raise self._caller.told(problem, _WHAT) from refused
        return _refused(submission, EndReason.UNSCHEDULABLE, f"{problem.code}: {problem.text}")

    def _options(self, job: Job) -> Options:
        return resolve(job.options, job.size, self._settings, step=job.step)

    async def _queue(self, name: str) -> Queue:
        found = self._queues.get(name)
        if found is None:
            found = self._queues[name] = await look_at_queue(self._caller, name)
        return found

    async def _definition(self, wanted: Definition) -> str:
        """Return its ARN: known, found by its name, or registered now. Raises Refusal, PlatformError."""
        async with self._registering:
            if wanted.name not in self._definitions:
                self._definitions[wanted.name] = await self._find_or_register(wanted)
        return self._definitions[wanted.name]

    async def _find_or_register(self, wanted: Definition) -> str:
        revisions = [
            revision
            async for page in self._caller.pages(
                "describe_job_definitions",
                "Job definitions cannot be looked at",
                "jobDefinitions",
                jobDefinitionName=wanted.name,
                status="ACTIVE",
            )
            for revision in page
        ]
        if revisions:
            newest = max(revisions, key=lambda one: int(one["revision"]))
            return str(newest["jobDefinitionArn"])
        try:
            answer = await self._caller.try_("register_job_definition", **wanted.request)
        except MayBeDone as lost:
            raise self._caller.told(lost.problem, "The job definition cannot be registered") from lost
        return str(answer["jobDefinitionArn"])


def _refused(submission: Submission, reason: EndReason, message: str) -> list[Refused]:
    return [Refused(attempt, reason, message) for attempt in submission.attempts]

"""What takes the place of moto's own Batch jobs: the states of jobs, their queues, dependencies, retries and ends."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.services.batch.attempts import Attempt
from tests.services.batch.capacity import Capacity, why_never
from tests.services.batch.idle import run_idle
from tests.services.batch.jobs import (
    BEFORE_START,
    FAILED,
    PENDING,
    RUNNABLE,
    RUNNING,
    STARTING,
    SUBMITTED,
    SUCCEEDED,
    Job,
    now_ms,
)
from tests.services.batch.orders import Orders
from tests.services.batch.runners import DOCKER, FUNCTION, NOOP, PROCESS, Ended, Functions, Processes, Runner
from tests.services.batch.shapes import Json
from tests.services.batch.timers import Timers
from tests.services.batch.words import (
    CHILD_FAILED,
    DEPENDENCY_FAILED,
    EXIT,
    EXITED,
    MOST_OVERRIDE_BYTES,
    NO_IMAGE,
    NOT_STARTED,
    OOM,
    OUT_OF_MEMORY,
    OVERRIDES_TOO_LONG,
    SPOT,
    TIMED_OUT,
    cannot_pull,
    host_terminated,
)

ROLE = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
    "AWS_EXECUTION_ENV": "AWS_ECS_EC2",
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""What a container has from its platform: the job role's credentials. The address of the test's AWS is not among it."""


@dataclass(slots=True)
class Pace:
    """How fast things go."""

    step_s: float = 0.02
    """From one state to the next."""
    grace_s: float = 5.0
    """From SIGTERM to SIGKILL."""
    timeout_scale: float = 1.0
    """What a second of `attemptDurationSeconds` is."""
    noop_s: float = 0.05
    """How long a job without a process runs."""
    list_lag_s: float = 0.0
    """How old a job is before ListJobs shows it."""


class Engine:
    """See the module. Every method may be called from any thread."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.jobs: dict[str, Job] = {}
        self.by_queue: defaultdict[str, list[Job]] = defaultdict(list)
        """Jobs by their queue's ARN, without the children of arrays and the nodes of gangs."""
        self.pace = Pace()
        self.orders = Orders()
        self._kinds: dict[str, str] = {}
        self._lines: defaultdict[str, deque[Job]] = defaultdict(deque)
        self._waiters: defaultdict[str, list[Job]] = defaultdict(list)
        self._capacity = Capacity()
        self._timers = Timers()
        self._runners: dict[str, Runner] = {PROCESS: Processes()}

    def run_jobs_of(self, queue: str, kind: str) -> None:
        """Say how the jobs of a queue are run, by its ARN. Raises what making a runner raises."""
        with self.lock:
            if kind != NOOP:
                self._runner(kind)
            self._kinds[queue] = kind

    # What clients ask

    def submit(self, job: Job) -> None:
        """Take a job."""
        with self.lock:
            for each in [job, *(job.children or ()), *(job.nodes or ())]:
                self.jobs[each.id] = each
            self.by_queue[job.queue.arn].append(job)
            self._depend(job)
            self._timers.after(self.pace.step_s, lambda: self._admit(job))

    def cancel(self, job: Job, reason: str) -> None:
        """End a job that has not begun; let all others be."""
        with self.lock:
            for each in job.children or [job]:
                if each.status in BEFORE_START:
                    each.is_cancelled = True
                    self._over(each, FAILED, reason)
            self._schedule(job.queue)

    def terminate(self, job: Job, reason: str) -> None:
        """End a job wherever it is."""
        with self.lock:
            if job.is_over:
                return
            job.is_terminated = True
            if job.children is not None:
                job.status_reason = reason
                for child in job.children:
                    self.terminate(child, reason)
            elif job.attempt is not None:
                job.attempt.force(reason, grace_s=self.pace.grace_s, final=True)
            elif job.node is None:
                self._over(job, FAILED, reason)
            if job.parent is None:
                self._schedule(job.queue)

    def heal(self) -> None:
        """Take back what was ordered for jobs; those that would never start may."""
        with self.lock:
            self.orders.clear()
            for queue in {job.queue.arn: job.queue for job in self.jobs.values()}.values():
                self._schedule(queue)

    def strike(self, job: Job, kind: str) -> bool:
        """Let something happen to a running job: SPOT or OOM. Say whether it did."""
        with self.lock:
            job = job.parent if job.node is not None and job.parent is not None else job
            attempt = job.attempt
            if attempt is None or job.status != RUNNING:
                return False
            if kind == OOM:
                ended = Ended(exit_code=137, reason=OUT_OF_MEMORY)
                attempt.force(EXITED, grace_s=None, final=False, ended=ended)
            elif kind == SPOT:
                reason = host_terminated(attempt.instance)
                attempt.force(reason, grace_s=None, final=False, ended=Ended(exit_code=None))
            else:
                raise ValueError(kind)
            return True

    def reset(self) -> None:
        """End all jobs, forget what was ordered, and go at the usual pace."""
        with self.lock:
            self.orders.clear()
            self.pace = Pace()
            for job in list(self.jobs.values()):
                if not job.is_over and job.attempt is not None:
                    job.attempt.force("reset", grace_s=None, final=True)
                elif job.status in BEFORE_START and job.children is None and job.node is None:
                    self._over(job, FAILED, "reset")
            self.jobs.clear()
            self.by_queue.clear()
            self._lines.clear()
            self._waiters.clear()

    # From one state to the next

    def _depend(self, job: Job) -> None:
        for given in job.depends_on:
            other = self.jobs.get(given.get("jobId", ""))
            if given.get("type") == "SEQUENTIAL" and job.children is not None:
                for before, after in zip(job.children, job.children[1:], strict=False):
                    self._need(after, before)
            elif given.get("type") == "N_TO_N" and job.children is not None and other is not None:
                for mine, its in zip(job.children, other.children or (), strict=False):
                    self._need(mine, its)
            elif other is not None:
                for each in job.children or [job]:
                    self._need(each, other)

    def _need(self, job: Job, other: Job) -> None:
        if other.status == SUCCEEDED:
            return
        job.needs.add(other.id)
        self._waiters[other.id].append(job)

    def _admit(self, job: Job) -> None:
        with self.lock:
            if job.is_over:
                return
            if job.children is not None:
                self._set(job, PENDING)
                for child in job.children:
                    self._admit_one(child)
            else:
                self._admit_one(job)
            self._schedule(job.queue)

    def _admit_one(self, job: Job) -> None:
        if job.status != SUBMITTED:
            return
        if any(each in self.jobs and self.jobs[each].status == FAILED for each in job.needs):
            self._over(job, FAILED, DEPENDENCY_FAILED)
        elif job.needs:
            self._set(job, PENDING)
        else:
            self._runnable(job)

    def _runnable(self, job: Job) -> None:
        self._set(job, RUNNABLE)
        self._lines[job.queue.arn].append(job)

    def _schedule(self, queue: Any) -> None:  # Any: moto's JobQueue
        """Start what fits, in the order of arrival: the first that does not fit stops all behind it."""
        line = self._lines[queue.arn]
        never: list[Job] = []
        while line:
            job = line[0]
            if job.status != RUNNABLE:
                line.popleft()
                continue
            if self.orders.is_never(job):
                never.append(line.popleft())
                continue
            environment = self._capacity.place(queue.environments, job.plan)
            if environment is None:
                job.status_reason = why_never(queue.environments, job.plan)
                break
            line.popleft()
            self._start(job, environment)
        line.extend(never)

    def _start(self, job: Job, environment: Any) -> None:  # Any: moto's ComputeEnvironment
        job.status_reason = None
        given = {**ROLE}
        job.attempt = Attempt(job, environment, given, started=self._started, ended=self._ended)
        self._set(job, STARTING)
        attempt = job.attempt
        self._timers.after(self.pace.step_s, lambda: self._launch(attempt))

    def _launch(self, attempt: Attempt) -> None:
        job = attempt.job
        refusal = self._refusal(attempt)
        if refusal is not None:
            for unit in attempt.units:
                unit.close(*refusal)
            return
        kind = self._kinds.get(job.queue.arn, PROCESS)
        if kind == NOOP:
            order = self.orders.take(EXIT, job)
            code = 0 if order is None else order.exit_code
            run_idle(attempt, self._timers, run_s=self.pace.noop_s, exit_code=code)
        else:
            attempt.run(self._runner(kind))

    def _refusal(self, attempt: Attempt) -> tuple[Ended, str] | None:
        """Return why a container cannot be started, if that is known before."""
        job = attempt.job
        if attempt.forced_status_reason is not None:
            return Ended(exit_code=None), attempt.forced_status_reason
        if any(shape.override_bytes > MOST_OVERRIDE_BYTES for shape in job.plan.shapes):
            attempt.is_final = True
            return Ended(exit_code=None), OVERRIDES_TOO_LONG
        if self.orders.take(NO_IMAGE, job) is not None:
            return Ended(exit_code=None, reason=cannot_pull(job.plan.shapes[0].image)), NOT_STARTED
        return None

    def _runner(self, kind: str) -> Runner:
        with self.lock:
            if kind not in self._runners:
                if kind == DOCKER:
                    from tests.services.batch.docker import Docker

                    self._runners[kind] = Docker()
                elif kind.startswith(FUNCTION):
                    self._runners[kind] = Functions(kind.removeprefix(FUNCTION))
                else:
                    raise ValueError(f"no such way to run jobs: {kind}")
            return self._runners[kind]

    def _started(self, attempt: Attempt) -> None:
        job = attempt.job
        with self.lock:
            job.started_ms = now_ms()
            self._set(job, RUNNING)
            if job.timeout_s is not None:
                after_s = job.timeout_s * self.pace.timeout_scale
                self._timers.after(after_s, lambda: self._expire(attempt))
            for kind in (SPOT, OOM):
                order = self.orders.take(kind, job)
                if order is not None:
                    self._timers.after(order.after_s, partial(self.strike, job, kind))

    def _expire(self, attempt: Attempt) -> None:
        if not attempt.job.is_over and attempt.job.attempt is attempt:
            attempt.force(TIMED_OUT, grace_s=self.pace.grace_s, final=True)

    def _ended(self, attempt: Attempt, ended: Ended, status_reason: str) -> None:
        job = attempt.job
        with self.lock:
            job.attempt = None
            self._capacity.free(attempt.environment, job.plan)
            is_good = ended.exit_code == 0 and attempt.forced_status_reason is None
            if is_good:
                self._over(job, SUCCEEDED, status_reason)
            elif not attempt.is_final and job.retry.again(
                attempt.number, ended.exit_code, ended.reason or "", status_reason
            ):
                self._runnable(job)
            else:
                self._over(job, FAILED, status_reason)
            self._schedule(job.queue)

    def _over(self, job: Job, status: str, reason: str) -> None:
        job.stopped_ms = now_ms()
        job.status_reason = reason
        self._set(job, status)
        for waiter in self._waiters.pop(job.id, ()):
            self._answer(waiter, job)
        parent = job.parent
        if parent is not None and parent.children is not None:
            self._close(parent)

    def _answer(self, waiter: Job, job: Job) -> None:
        """Tell a job that one it waited for is over."""
        if waiter.is_over or job.id not in waiter.needs:
            return
        if job.status == FAILED:
            self._over(waiter, FAILED, DEPENDENCY_FAILED)
            return
        waiter.needs.discard(job.id)
        if not waiter.needs and waiter.status == PENDING:
            self._runnable(waiter)
            self._schedule(waiter.queue)

    def _close(self, parent: Job) -> None:
        """End an array whose children are all over."""
        over = parent.summary[SUCCEEDED] + parent.summary[FAILED]
        if over == len(parent.children or ()) and not parent.is_over:
            has_failed = parent.summary[FAILED] > 0
            reason = parent.status_reason or (CHILD_FAILED if has_failed else None)
            self._over(parent, FAILED if has_failed else SUCCEEDED, reason or "Array Child Job succeeded")

    def _set(self, job: Job, status: str) -> None:
        parent = job.parent
        if parent is not None and parent.children is not None:
            parent.summary[job.status] -= 1
            parent.summary[status] += 1
        job.status = status
        for node in job.nodes or ():
            node.status = status
            node.started_ms, node.stopped_ms = job.started_ms, job.stopped_ms
            node.status_reason = job.status_reason


def listed(engine: Engine, asked: Json, jobs: list[Job]) -> list[Job]:
    """Return the jobs of a ListJobs request: by filter, else by state, which is RUNNING if none is given."""
    filters = asked.get("filters") or []
    if filters:
        return [job for job in jobs if all(_matches(job, each) for each in filters)]
    status = asked.get("jobStatus") or RUNNING
    return [job for job in jobs if job.status == status]


def _matches(job: Job, given: Json) -> bool:
    name, values = given.get("name"), given.get("values") or []
    if name == "AFTER_CREATED_AT":
        return job.created_ms > int(values[0])
    if name == "BEFORE_CREATED_AT":
        return job.created_ms < int(values[0])
    told = job.name.lower() if name == "JOB_NAME" else job.definition.arn.rpartition("/")[2].lower()
    return any(
        told.startswith(value[:-1].lower()) if value.endswith("*") else told == value.lower()
        for value in values
    )

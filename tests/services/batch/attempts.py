"""One attempt of a job: its containers from start to end, each with a thread."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import Any

from tests.services.batch.jobs import Job, now_ms
from tests.services.batch.logs import LogStream
from tests.services.batch.runners import Call, CannotStart, Container, Ended, Runner
from tests.services.batch.shapes import Json
from tests.services.batch.words import EXITED, NOT_STARTED

ACCOUNT = "123456789012"


class Attempt:
    """See the module.

    Args:
        job: The job; for a gang its parent.
        environment: moto's ComputeEnvironment in which it runs.
        given: Environment variables that the platform adds.
        started: Called once, when the (main) container runs.
        ended: Called once, with the exit code and the two reasons of the (main) container.
    """

    def __init__(
        self,
        job: Job,
        environment: Any,  # Any: moto's ComputeEnvironment
        given: dict[str, str],
        *,
        started: Callable[[Attempt], None],
        ended: Callable[[Attempt, Ended, str], None],
    ) -> None:
        self.job = job
        self.environment = environment
        self.instance = "i-0" + uuid.uuid4().hex[:16]
        self.number = len(job.attempts) + 1
        self.forced: Ended | None = None
        self.forced_status_reason: str | None = None
        self.is_final = False
        """No other attempt follows, whatever the job's strategy says."""
        self.units = [Unit(self, each, given) for each in (job.nodes or [job])]
        self._started = started
        self._ended = ended
        self._lock = threading.Lock()
        self._left = len(self.units)
        self._stop_s: float | None = None

    @property
    def main(self) -> Unit:
        """The container whose end is the job's."""
        return self.units[self.job.plan.main_node if self.job.plan.is_gang else 0]

    def run(self, runner: Runner) -> None:
        """Start the containers, the main one first. Returns at once."""
        for unit in [self.main, *(each for each in self.units if each is not self.main)]:
            threading.Thread(target=unit.run, args=(runner,), daemon=True, name=unit.job.id).start()

    def force(
        self, status_reason: str, *, grace_s: float | None, final: bool, ended: Ended | None = None
    ) -> None:
        """End it from outside, with a reason for the job.

        Args:
            grace_s: From SIGTERM to SIGKILL. None: SIGKILL at once.
            ended: What the container is said to have come to. None: what it comes to.
        """
        with self._lock:
            if self.forced_status_reason is not None:
                return
            self.forced_status_reason, self.forced, self.is_final = status_reason, ended, final
            self._stop_s = -1 if grace_s is None else grace_s
        for unit in self.units:
            unit.stop(self._stop_s)

    def began(self, unit: Unit) -> None:
        """Note that a container runs; stop it if it should not."""
        if unit is self.main:
            self._started(self)
        with self._lock:
            stop_s = self._stop_s
        if stop_s is not None:
            unit.stop(stop_s)

    def over(self, unit: Unit, ended: Ended, status_reason: str) -> None:
        """Note that a container has ended; the others end with the main one."""
        with self._lock:
            self._left -= 1
            is_last = self._left == 0
            if unit is self.main:
                self._told = (self.forced or ended, self.forced_status_reason or status_reason)
                self._stop_s = 0.5 if self._stop_s is None else self._stop_s
        if unit is self.main:
            for each in self.units:
                each.stop(0.5)
        if is_last:
            self._ended(self, *self._told)

    _told: tuple[Ended, str]


class Unit:
    """One container of an attempt."""

    def __init__(self, attempt: Attempt, job: Job, given: dict[str, str]) -> None:
        self.attempt = attempt
        self.job = job
        self.task = uuid.uuid4().hex
        self.log = LogStream(job, self.task)
        self.container: Container | None = None
        self.call = Call(
            name=f"batch-{self.task}",
            image=job.shape.image,
            command=job.shape.command,
            environment={**given, **job.shape.environment, **_about(attempt, job)},
            memory_mib=job.shape.memory_mib,
            vcpus=job.shape.vcpus,
        )
        region, cluster = attempt.environment.arn.split(":")[3], attempt.environment.ecs_name
        base = f"arn:aws:ecs:{region}:{ACCOUNT}"
        self.record: Json = {
            "container": {
                "containerInstanceArn": f"{base}:container-instance/{cluster}/{attempt.instance}",
                "taskArn": f"{base}:task/{cluster}/{self.task}",
                "logStreamName": self.log.stream,
                "networkInterfaces": [],
            }
        }
        job.attempts.append(self.record)

    def run(self, runner: Runner) -> None:
        """Run from start to end."""
        try:
            self.container = runner.start(self.call, self.log.line)
        except CannotStart as error:
            self.log.close()
            self.close(Ended(exit_code=None, reason=str(error)), NOT_STARTED)
            return
        self.begin()
        ended = self.container.wait()
        self.log.close()
        self.close(ended, EXITED)

    def begin(self) -> None:
        """Note that it runs."""
        self.record["startedAt"] = now_ms()
        self.attempt.began(self)

    def close(self, ended: Ended, status_reason: str) -> None:
        """Note what it came to."""
        told = self.attempt.forced or ended
        container = self.record["container"]
        if told.exit_code is not None:
            container["exitCode"] = told.exit_code
        if told.reason is not None:
            container["reason"] = told.reason
        self.record["stoppedAt"] = now_ms()
        self.record["statusReason"] = self.attempt.forced_status_reason or status_reason
        self.attempt.over(self, ended, status_reason)

    def stop(self, grace_s: float) -> None:
        """End it; a negative grace is none."""
        if self.container is None:
            return
        if grace_s < 0:
            self.container.kill()
        else:
            self.container.stop(grace_s)


def _about(attempt: Attempt, job: Job) -> dict[str, str]:
    """Return what Batch tells a container about itself."""
    told = {
        "AWS_BATCH_JOB_ID": job.id,
        "AWS_BATCH_JOB_ATTEMPT": str(attempt.number),
        "AWS_BATCH_JQ_NAME": job.queue.name,
        "AWS_BATCH_CE_NAME": attempt.environment.name,
    }
    if job.index is not None and job.parent is not None:
        told["AWS_BATCH_JOB_ARRAY_INDEX"] = str(job.index)
        told["AWS_BATCH_JOB_ARRAY_SIZE"] = str(len(job.parent.children or ()))
    if job.node is not None:
        told["AWS_BATCH_JOB_NODE_INDEX"] = str(job.node)
        told["AWS_BATCH_JOB_MAIN_NODE_INDEX"] = str(job.plan.main_node)
        told["AWS_BATCH_JOB_NUM_NODES"] = str(len(job.plan.shapes))
        if job.node != job.plan.main_node:
            told["AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS"] = "127.0.0.1"
    return told

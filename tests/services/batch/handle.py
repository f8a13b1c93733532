"""What tests hold of the Batch they speak with: a queue, a bucket, clients, and what is to go wrong."""

from __future__ import annotations

import http.client
import json
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from tests.services import moto
from tests.services.batch.jobs import OVER
from tests.services.batch.runners import PROCESS
from tests.services.batch.shapes import Json

REGION = "us-east-1"
IMAGE = "asyncflow/hostpy:1"
"""An image with the tests' packages. `python:3.x` is one without any; both are there in Docker too."""


@dataclass(frozen=True, slots=True)
class Order:
    """Something a test ordered to go wrong."""

    batch: Batch
    name: str

    @property
    def fired(self) -> int:
        """How often it did."""
        return int(self.batch.ask("GET", "fired")[self.name])


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A server with a compute environment, a queue and a bucket ready for use."""

    endpoint: str
    compute_environment: str
    queue: str
    queue_arn: str
    bucket: str
    job_role: str
    """ARN of a role that jobs may have."""
    _clients: dict[str, Any] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """Return the environment of a process that is to use the server and nothing else of AWS."""
        return {**moto.environment(self.endpoint), **settings(self.endpoint)}

    def client(self, service: str = "batch") -> Any:  # Any: a botocore client
        """Return a client without retries, one for each service."""
        if service not in self._clients:
            self._clients[service] = _client(self.endpoint, service)
        return self._clients[service]

    def fault(self, kind: str, action: str, times: int | None = 1, **more: float) -> Order:
        """Order that requests go wrong.

        Args:
            kind: One of `words.py`'s for requests.
            action: A regular expression, searched for in `batch:SubmitJob`, `logs:GetLogEvents`, `s3:PUT /bucket/key`.
            times: How often. None: for ever.
            more: `skip` requests pass before; `delay_s` for SLOW; `per_s` and `burst` for LIMITED.
        """
        asked = {"kind": kind, "pattern": action, "times": times, **more}
        return Order(self, self.ask("POST", "faults", asked))

    def fate(self, kind: str, job: str, times: int | None = 1, **more: float) -> Order:
        """Order what becomes of jobs.

        Args:
            kind: One of `words.py`'s for jobs.
            job: A regular expression, searched for in the job's name, `name:index` of an array's child.
            times: How often. None: for ever.
            more: `after_s` for SPOT and OOM; `exit_code` for EXIT.
        """
        asked = {"kind": kind, "pattern": job, "times": times, **more}
        return Order(self, self.ask("POST", "orders", asked))

    def heal(self) -> None:
        """Take back all orders; they can no longer be asked how often they fired."""
        self.ask("POST", "heal")

    def strike(self, job: str, kind: str) -> bool:
        """Let SPOT or OOM happen to a running job at once. Say whether it was running."""
        return bool(self.ask("POST", "strike", {"job": job, "kind": kind}))

    def pace(self, **values: float) -> None:
        """Set some of `engine.Pace`: `step_s`, `grace_s`, `timeout_scale`, `noop_s`, `list_lag_s`."""
        self.ask("POST", "pace", values)

    def calls(self) -> dict[str, int]:
        """Return how often each action was asked since the test began or `forget_calls`."""
        return {action: counts["asked"] for action, counts in self.ask("GET", "calls").items()}

    def refused_calls(self) -> dict[str, int]:
        """Return how often each action was refused by an order."""
        return {action: counts["refused"] for action, counts in self.ask("GET", "calls").items()}

    def forget_calls(self) -> None:
        """Count from zero."""
        self.ask("DELETE", "calls")

    def new_queue(self, runs: str = PROCESS, **more: Any) -> str:
        """Make another queue with a compute environment of its own; return its name. See `make_queue`."""
        return make_queue(self.endpoint, runs, **more)[1]

    def register(self, command: list[str], **more: Any) -> str:
        """Register a job definition with one container; `more` goes into its properties. Return its ARN."""
        properties = {
            "image": IMAGE,
            "command": command,
            "resourceRequirements": [
                {"type": "VCPU", "value": "1"},
                {"type": "MEMORY", "value": "256"},
            ],
            **more,
        }
        name = f"definition-{uuid.uuid4().hex[:8]}"
        answer = self.client().register_job_definition(
            jobDefinitionName=name, type="container", containerProperties=properties
        )
        return str(answer["jobDefinitionArn"])

    def submit(self, definition: str, name: str = "job", **more: Any) -> str:
        """Submit a job; return its id."""
        given = {"jobQueue": self.queue, **more}
        return str(self.client().submit_job(jobName=name, jobDefinition=definition, **given)["jobId"])

    def job(self, job: str) -> Json:
        """Return what `describe_jobs` says of one."""
        return dict(self.client().describe_jobs(jobs=[job])["jobs"][0])

    def wait(self, job: str, states: Iterable[str] = OVER, within_s: float = 20) -> Json:
        """Return what `describe_jobs` says once a job is in one of some states."""
        wanted = tuple(states)
        return self.wait_until(lambda: self._in(job, wanted), f"{job} in {wanted}", within_s)

    def wait_until(self, found: Callable[[], Any], what: str, within_s: float = 20) -> Any:
        """Return what a function finds, as soon as it finds something."""
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            result = found()
            if result:
                return result
            time.sleep(0.02)
        raise AssertionError(f"not in {within_s} s: {what}")

    def log(self, job: str) -> list[str]:
        """Return the lines of a job's last attempt in CloudWatch Logs."""
        stream = self.job(job)["container"].get("logStreamName")
        logs = self.client("logs")
        if stream is None:
            return []
        try:
            answer = logs.get_log_events(
                logGroupName="/aws/batch/job", logStreamName=stream, startFromHead=True
            )
        except logs.exceptions.ResourceNotFoundException:
            return []
        return [event["message"] for event in answer["events"]]

    def close(self) -> None:
        """Close the clients."""
        for client in self._clients.values():
            client.close()

    def ask(self, method: str, path: str, body: Json | None = None) -> Any:  # Any: JSON
        """Speak with the server's own side."""
        return ask(self.endpoint, method, path, body)

    def _in(self, job: str, states: tuple[str, ...]) -> Json | None:
        told = self.job(job)
        return told if told["status"] in states else None


def settings(endpoint: str) -> dict[str, str]:
    """Return where botocore finds Batch and its logs, in the variables that it knows itself."""
    return {"AWS_ENDPOINT_URL_BATCH": endpoint, "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": endpoint}


def ask(endpoint: str, method: str, path: str, body: Json | None = None) -> Any:  # Any: JSON
    """Speak with a server's own side. Raises RuntimeError if it does not understand."""
    place = urlsplit(endpoint)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
    try:
        connection.request(method, f"/_batch/{path}", json.dumps(body or {}))
        answer = connection.getresponse()
        told = json.loads(answer.read())
    finally:
        connection.close()
    if answer.status != 200:
        raise RuntimeError(f"{method} {path}: {answer.status} {told}")
    return told


@contextmanager
def batch(endpoint: str, runs: str = PROCESS, **more: Any) -> Iterator[Batch]:
    """Give a server with a fresh queue and bucket; end its jobs and orders afterwards. See `make_queue`."""
    environment, queue, arn = make_queue(endpoint, runs, **more)
    given = Batch(
        endpoint=endpoint,
        compute_environment=environment,
        queue=queue,
        queue_arn=arn,
        bucket=moto.make_bucket(endpoint),
        job_role=_role(endpoint),
    )
    given.forget_calls()
    try:
        yield given
    finally:
        given.ask("POST", "reset")
        given.close()


def make_queue(
    endpoint: str,
    runs: str = PROCESS,
    *,
    max_vcpus: int = 16,
    instance_types: tuple[str, ...] = ("m5.4xlarge",),
    kind: str = "EC2",
) -> tuple[str, str, str]:
    """Make a compute environment and a queue; return the names of both and the queue's ARN.

    Args:
        runs: How its jobs are run: `process`, `docker`, `noop`, or `function:module:name` (see `runners.py`).
        kind: EC2, SPOT or FARGATE.
    """
    mark = uuid.uuid4().hex[:8]
    network = _network(endpoint)
    resources: Json = {
        "type": kind,
        "maxvCpus": max_vcpus,
        "subnets": [network[0]],
        "securityGroupIds": [network[1]],
    }
    if "FARGATE" not in kind:
        resources |= {"minvCpus": 0, "desiredvCpus": 0, "instanceTypes": list(instance_types)}
        resources |= {"instanceRole": _profile(endpoint)}
    made = _client(endpoint, "batch")
    try:
        environment = made.create_compute_environment(
            computeEnvironmentName=f"ce-{mark}",
            type="MANAGED",
            state="ENABLED",
            computeResources=resources,
            serviceRole=_role(endpoint),
        )["computeEnvironmentArn"]
        queue = made.create_job_queue(
            jobQueueName=f"queue-{mark}",
            state="ENABLED",
            priority=1,
            computeEnvironmentOrder=[{"order": 1, "computeEnvironment": environment}],
        )
    finally:
        made.close()
    ask(endpoint, "POST", "queues", {"arn": queue["jobQueueArn"], "runs": runs})
    return f"ce-{mark}", queue["jobQueueName"], queue["jobQueueArn"]


@cache
def _session() -> Any:  # Any: botocore's Session, which keeps the service descriptions it has read
    import botocore.session

    return botocore.session.Session()


def _client(endpoint: str, service: str) -> Any:  # Any: a botocore client
    from botocore.config import Config

    return _session().create_client(
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(retries={"total_max_attempts": 1}),
    )


@cache
def _role(endpoint: str) -> str:
    iam = _client(endpoint, "iam")
    try:
        return str(iam.get_role(RoleName="batch")["Role"]["Arn"])
    except iam.exceptions.NoSuchEntityException:
        return str(iam.create_role(RoleName="batch", AssumeRolePolicyDocument="{}")["Role"]["Arn"])
    finally:
        iam.close()


@cache
def _profile(endpoint: str) -> str:
    iam = _client(endpoint, "iam")
    try:
        return str(iam.get_instance_profile(InstanceProfileName="ecs")["InstanceProfile"]["Arn"])
    except iam.exceptions.NoSuchEntityException:
        return str(iam.create_instance_profile(InstanceProfileName="ecs")["InstanceProfile"]["Arn"])
    finally:
        iam.close()


@cache
def _network(endpoint: str) -> tuple[str, str]:
    """Return a subnet and a security group: the account's own."""
    ec2 = _client(endpoint, "ec2")
    try:
        subnet = ec2.describe_subnets()["Subnets"][0]
        groups = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [subnet["VpcId"]]}])
        return str(subnet["SubnetId"]), str(groups["SecurityGroups"][0]["GroupId"])
    finally:
        ec2.close()

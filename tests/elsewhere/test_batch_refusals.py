"""Bad configuration of AWS Batch: one message before anything runs, told whole; and what doctor says of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.elsewhere.aws import jobs, machine_at
from tests.elsewhere.story import Machine
from tests.services.batch import words
from tests.services.batch.handle import Batch, Order

FLOW = str(Path(__file__).parent / "flows" / "one.py")
STEP = f"    at {FLOW}:20\n"
QUEUE = "ASYNCFLOW_BATCH_JOB_QUEUE"
IMAGE = "ASYNCFLOW_BATCH_CONTAINER_IMAGE"


@dataclass(frozen=True)
class Case:
    """One thing that is wrong."""

    said: str
    code: int = 2
    given: dict[str, str | None] = field(default_factory=dict[str, str | None])
    """Environment variables; None: not set."""
    words: tuple[str, ...] = ()
    fault: tuple[str, str] | None = None
    prepare: Callable[[Batch], object] = bool


def disable_machines(batch: Batch) -> None:
    batch.client().update_compute_environment(computeEnvironment=batch.compute_environment, state="DISABLED")


def disable_queue(batch: Batch) -> None:
    batch.client().update_job_queue(jobQueue=batch.queue, state="DISABLED")


NO_KEYS: dict[str, str | None] = {
    "AWS_ACCESS_KEY_ID": None,
    "AWS_SECRET_ACCESS_KEY": None,
    "AWS_CONFIG_FILE": "/nowhere",
    "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
}
CASES = {
    "no credentials": Case(
        "No valid credentials for S3:\n"
        "    {store}/owner could not be read: there are no credentials for {server} (Unable to locate credentials)\n"
        "    Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run `aws configure`.\n",
        1,
        given=NO_KEYS,
    ),
    "keys that AWS does not take": Case(
        "No valid credentials for AWS Batch:\n"
        "    Job queue {queue} cannot be looked at: AWS Batch in us-east-1 does not take the credentials "
        "(UnrecognizedClientException: The security token included in the request is invalid.)\n"
        "    Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_PROFILE: they are unknown there, or mistyped.\n",
        1,
        fault=(words.UNKNOWN_KEY, "batch:DescribeJobQueues"),
    ),
    "no region": Case(
        "AWS Batch cannot be used:\n"
        "    AWS Batch: there is no region\n"
        "    Set AWS_REGION, or a region in your AWS profile.\n",
        given={"AWS_DEFAULT_REGION": None, "AWS_CONFIG_FILE": "/nowhere"},
    ),
    "wrong region": Case(
        "The job queue cannot be used:\n"
        "    There is no job queue '{queue}' in eu-west-3\n"
        "    Check its name and the region (AWS_REGION); those that there are: aws batch describe-job-queues\n",
        given={"AWS_DEFAULT_REGION": "eu-west-3"},
    ),
    "no queue": Case(
        "Invalid @batch:\n"
        "    Step work: @batch queue: there is no job queue\n"
        f"{STEP}"
        "    Name one: @batch(queue='...'), --with batch:queue=..., or ASYNCFLOW_BATCH_JOB_QUEUE.\n",
        given={QUEUE: None},
    ),
    "missing queue": Case(
        "The job queue cannot be used:\n"
        "    There is no job queue 'none-such' in us-east-1\n"
        "    Check its name and the region (AWS_REGION); those that there are: aws batch describe-job-queues\n",
        given={QUEUE: "none-such"},
    ),
    "disabled queue": Case(
        "The job queue cannot be used:\n"
        "    Step work: job queue {queue} runs no jobs: it is DISABLED\n"
        f"{STEP}"
        "    Enable it, or use another: @batch(queue='...'); see: asyncflow doctor --backend batch\n",
        prepare=disable_queue,
    ),
    "disabled machines": Case(
        "The job queue cannot be used:\n"
        "    Step work: job queue {queue} runs no jobs: {machines}: it is DISABLED\n"
        f"{STEP}"
        "    Enable it, or use another: @batch(queue='...'); see: asyncflow doctor --backend batch\n",
        prepare=disable_machines,
    ),
    "bad image name": Case(
        "Invalid @batch:\n"
        "    Step work: @batch image: 'my image' is not an image\n"
        f"{STEP}"
        "    Write it as registry/name:tag, such as python:3.12.\n",
        given={IMAGE: "my image"},
    ),
    "more cores than the queue has": Case(
        "Invalid @batch:\n"
        "    Step work: @batch cpu: queue {queue} has machines of 16 cores in all, and the step asks for 17\n"
        f"{STEP}"
        "    Change it: @batch(cpu=...), or --with batch:cpu=...\n",
        given={"CPU": "17"},
    ),
    "more memory than any machine of the queue has": Case(
        "Invalid @batch:\n"
        "    Step work: @batch memory: no machine of queue {queue} has 65537 MB; the largest has 65536\n"
        f"{STEP}"
        "    Change it: @batch(memory=...), or --with batch:memory=...\n",
        given={"MEMORY": "65537"},
    ),
    "GPUs that no machine of the queue has": Case(
        "Invalid @batch:\n"
        "    Step work: @batch gpu: no machine of queue {queue} has any GPUs\n"
        f"{STEP}"
        "    Change it: @batch(gpu=...), or --with batch:gpu=...\n",
        given={"GPU": "1"},
    ),
    "no permission": Case(
        "Access denied by AWS Batch:\n"
        "    Job queue {queue} cannot be looked at: the credentials are valid, but not allowed to do this "
        "(AccessDeniedException: User: arn:aws:iam::123456789012:user/testing is not authorized to perform: "
        "batch:DescribeJobQueues)\n"
        "    See what is missing: asyncflow doctor --backend batch\n",
        1,
        fault=(words.DENIED, "batch:DescribeJobQueues"),
    ),
    "a store that jobs cannot see": Case(
        "The store is on this machine:\n"
        "    Step work is to run on batch, which cannot see the store in {folder}/local\n"
        f"{STEP}"
        "    Keep the run in a bucket: --store s3://bucket/prefix, or set ASYNCFLOW_STORE to that.\n",
        words=("--store", "local"),
    ),
}


@pytest.mark.slow
@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", CASES)
def test_what_is_wrong_is_said_before_anything_runs(batch: Batch, tmp_path: Path, name: str) -> None:
    case = CASES[name]
    case.prepare(batch)
    fault = order(batch, case)
    machine = with_variables(machine_at(tmp_path / "here", batch), case.given)

    said = machine.run("run", FLOW, *case.words, code=case.code)

    expected = case.said.format(
        store=machine.environment["ASYNCFLOW_STORE"],
        server=batch.endpoint,
        queue=batch.queue,
        machines=batch.compute_environment,
        folder=machine.folder,
    )
    assert said.rstrip("\n") == expected.rstrip("\n")
    assert fault is None or fault.fired == 1
    assert jobs(batch) == []


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_sizes_that_may_not_be_looked_at_are_found_out_by_the_job(batch: Batch, tmp_path: Path) -> None:
    denied = batch.fault(words.DENIED, "ec2:DescribeInstanceTypes", None)

    said = machine_at(tmp_path / "here", batch).run("run", FLOW)

    assert denied.fired == 1
    assert "it has ended" in said


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_doctor_says_what_is_there_and_what_is_missing(batch: Batch, tmp_path: Path) -> None:
    machine = machine_at(tmp_path / "here", batch)
    trust(batch)

    good = machine.run("doctor", "--backend", "batch", FLOW)
    denied = batch.fault(words.DENIED, "batch:SubmitJob", None)
    bad = machine.run("doctor", "--backend", "batch", FLOW, code=1)
    wrong = with_variables(machine, {QUEUE: "none-such", IMAGE: None, "CPU": "17"})
    worse = wrong.run("doctor", "--backend", "batch", FLOW, code=1)

    assert denied.fired == 2
    assert "lacks" not in good
    assert f"  ok    queue {batch.queue}: it takes jobs, for EC2\n" in good
    assert f"  ok    permission to submit jobs to {batch.queue}: given\n" in good
    assert (
        f"  lacks permission to submit jobs to {batch.queue}: AccessDeniedException: User: "
        "arn:aws:iam::123456789012:user/testing is not authorized to perform: batch:SubmitJob\n"
        "        Allow batch:SubmitJob to the user or role that runs flows.\n"
    ) in bad
    assert "  lacks queue none-such: There is no job queue 'none-such' in us-east-1\n" in worse


def order(batch: Batch, case: Case) -> Order | None:
    return None if case.fault is None else batch.fault(*case.fault, times=None)


def with_variables(machine: Machine, given: dict[str, str | None]) -> Machine:
    """Return the machine with other variables in its environment."""
    changed = {**machine.environment, **given}
    kept = {name: value for name, value in changed.items() if value is not None}
    return Machine(folder=machine.folder, environment=kept)


def trust(batch: Batch) -> None:
    """Let containers have the role of the jobs."""
    policy = (
        '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", '
        '"Principal": {"Service": "ecs-tasks.amazonaws.com"}}]}'
    )
    batch.client("iam").update_assume_role_policy(RoleName="batch", PolicyDocument=policy)

"""Arrays, gangs, lists, and what is ordered to go wrong with requests."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError, HTTPClientError

from tests.services.batch import words
from tests.services.batch.handle import Batch

SHELL = ["sh", "-c"]


def test_children_of_an_array_know_their_index_and_the_parent_counts_them(batch: Batch) -> None:
    script = (
        'echo "$AWS_BATCH_JOB_ID $AWS_BATCH_JOB_ARRAY_INDEX/$AWS_BATCH_JOB_ARRAY_SIZE"; '
        "exit $((AWS_BATCH_JOB_ARRAY_INDEX == 2))"
    )
    job = batch.submit(batch.register([*SHELL, script]), arrayProperties={"size": 4})

    told = batch.wait(job)
    children = batch.client().describe_jobs(jobs=[f"{job}:{index}" for index in range(4)])["jobs"]

    assert (told["status"], told["statusReason"]) == ("FAILED", "Array Child Job failed")
    assert told["arrayProperties"]["size"] == 4
    assert told["arrayProperties"]["statusSummary"] == {
        **dict.fromkeys(("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING"), 0),
        "SUCCEEDED": 3,
        "FAILED": 1,
    }
    assert [each["arrayProperties"]["index"] for each in children] == [0, 1, 2, 3]
    assert [each["status"] == "FAILED" for each in children] == [False, False, True, False]
    assert batch.log(f"{job}:3") == [f"{job}:3 3/4"]


def test_terminating_an_array_ends_all_its_children(noop_batch: Batch) -> None:
    batch = noop_batch
    batch.pace(noop_s=60)
    job = batch.submit(batch.register(["true"]), arrayProperties={"size": 50})
    batch.wait(f"{job}:49", ["RUNNING"])
    assert batch.job(job)["status"] == "PENDING"

    batch.client().terminate_job(jobId=job, reason="all of you")
    told = batch.wait(job)

    assert told["statusReason"] == "all of you"
    assert told["arrayProperties"]["statusSummary"]["FAILED"] == 50
    assert batch.job(f"{job}:7")["statusReason"] == "all of you"


def test_lists_are_by_state_by_name_and_of_an_array(noop_batch: Batch) -> None:
    batch = noop_batch
    client = batch.client()
    definition = batch.register(["true"])
    jobs = {name: batch.submit(definition, name) for name in ("run-1-a", "run-1-b", "run-2-a", "other")}
    array = batch.submit(definition, "run-1-wide", arrayProperties={"size": 3})
    for job in (*jobs.values(), array):
        batch.wait(job)

    def named(pattern: str, **more: Any) -> set[str]:
        filters = [{"name": "JOB_NAME", "values": [pattern]}]
        found = client.list_jobs(jobQueue=batch.queue, filters=filters, **more)["jobSummaryList"]
        return {each["jobName"] for each in found}

    assert named("run-1-*") == {"run-1-a", "run-1-b", "run-1-wide"}
    assert named("RUN-2-A") == {"run-2-a"}
    assert named("run") == set()
    assert client.list_jobs(jobQueue=batch.queue)["jobSummaryList"] == []
    finished = client.list_jobs(jobQueue=batch.queue, jobStatus="SUCCEEDED")["jobSummaryList"]
    assert {each["jobId"] for each in finished} == {*jobs.values(), array}
    children = client.list_jobs(arrayJobId=array, jobStatus="SUCCEEDED")["jobSummaryList"]
    assert sorted(each["jobId"] for each in children) == [f"{array}:{index}" for index in range(3)]


def test_lists_may_show_what_is_new_late(noop_batch: Batch) -> None:
    batch = noop_batch
    batch.pace(list_lag_s=3600)
    job = batch.submit(batch.register(["true"]), "new")
    batch.wait(job)

    def seen() -> list[str]:
        filters = [{"name": "JOB_NAME", "values": ["new"]}]
        found = batch.client().list_jobs(jobQueue=batch.queue, filters=filters)["jobSummaryList"]
        return [each["jobId"] for each in found]

    assert seen() == []
    batch.pace(list_lag_s=0)
    assert seen() == [job]


def test_lists_come_in_pages_and_a_hundred_and_one_are_not_described(noop_batch: Batch) -> None:
    batch = noop_batch
    job = batch.submit(batch.register(["true"]), arrayProperties={"size": 250})
    batch.wait(job)

    pages = batch.client().get_paginator("list_jobs").paginate(arrayJobId=job, jobStatus="SUCCEEDED")
    ids = [each["jobId"] for page in pages for each in page["jobSummaryList"]]

    assert ids == [f"{job}:{index}" for index in range(250)]
    assert len(batch.client().describe_jobs(jobs=ids[:100])["jobs"]) == 100
    with pytest.raises(batch.client().exceptions.ClientException, match="limit of 100"):
        batch.client().describe_jobs(jobs=ids[:101])
    assert batch.client().describe_jobs(jobs=["unknown"])["jobs"] == []


@pytest.mark.slow
def test_ten_thousand_children_pass_in_seconds(noop_batch: Batch) -> None:
    batch = noop_batch
    began = time.monotonic()

    job = batch.submit(batch.register(["true"]), arrayProperties={"size": 10_000})
    told = batch.wait(job, within_s=50)

    assert told["arrayProperties"]["statusSummary"]["SUCCEEDED"] == 10_000
    assert time.monotonic() - began < 30
    assert batch.calls()["batch:SubmitJob"] == 1


def test_jobs_without_a_process_end_as_ordered(noop_batch: Batch) -> None:
    batch = noop_batch
    exits = batch.fate(words.EXIT, "^wide:(3|5)$", None, exit_code=9)
    image = batch.fate(words.NO_IMAGE, "^wide:4$")
    spot = batch.fate(words.SPOT, "^wide:6$")
    never = batch.fate(words.NEVER, "^wide:7$", None)
    job = batch.submit(batch.register(["true"]), "wide", arrayProperties={"size": 10})
    for index in (0, 1, 2, 3, 4, 5, 6, 8, 9):
        batch.wait(f"{job}:{index}")

    assert batch.job(f"{job}:5")["container"]["exitCode"] == 9
    assert batch.job(f"{job}:4")["container"]["reason"].startswith("CannotPullContainerError: ")
    assert batch.job(f"{job}:6")["statusReason"].startswith("Host EC2 (instance i-")
    assert batch.job(f"{job}:7")["status"] == "RUNNABLE"
    assert (exits.fired, image.fired, spot.fired) == (2, 1, 1)
    assert never.fired > 0
    batch.heal()
    assert batch.wait(f"{job}:7")["status"] == "SUCCEEDED"


def test_each_child_may_wait_for_its_twin(noop_batch: Batch) -> None:
    batch = noop_batch
    definition = batch.register(["true"])
    batch.fate(words.EXIT, "^first:1$")
    first = batch.submit(definition, "first", arrayProperties={"size": 3})
    second = batch.submit(
        definition, "second", arrayProperties={"size": 3}, dependsOn=[{"jobId": first, "type": "N_TO_N"}]
    )

    assert batch.wait(second)["arrayProperties"]["statusSummary"]["SUCCEEDED"] == 2
    assert batch.job(f"{second}:1")["statusReason"] == "Dependent Job failed"


def gang(batch: Batch, command: list[str], nodes: int = 3) -> str:
    container = {
        "image": "asyncflow/hostpy:1",
        "command": command,
        "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "256"}],
    }
    ranges = [{"targetNodes": "0:", "container": container}]
    answer = batch.client().register_job_definition(
        jobDefinitionName=f"gang-{batch.queue}",
        type="multinode",
        nodeProperties={"numNodes": nodes, "mainNode": 0, "nodeRangeProperties": ranges},
    )
    return str(answer["jobDefinitionArn"])


def test_a_gang_starts_together_and_its_nodes_know_each_other(batch: Batch) -> None:
    script = (
        "echo $AWS_BATCH_JOB_NODE_INDEX $AWS_BATCH_JOB_MAIN_NODE_INDEX $AWS_BATCH_JOB_NUM_NODES"
        " ${AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS-none}; [ $AWS_BATCH_JOB_NODE_INDEX = 0 ] && sleep 0.5"
    )
    job = batch.submit(gang(batch, [*SHELL, script]), nodeOverrides={"numNodes": 4})

    told = batch.wait(job)
    nodes = batch.client().describe_jobs(jobs=[f"{job}#{node}" for node in range(4)])["jobs"]
    listed = batch.client().list_jobs(multiNodeJobId=job, jobStatus="SUCCEEDED")["jobSummaryList"]

    assert told["status"] == "SUCCEEDED"
    assert [each["nodeDetails"] for each in nodes] == [
        {"nodeIndex": node, "isMainNode": node == 0} for node in range(4)
    ]
    assert [batch.log(f"{job}#{node}") for node in range(4)] == [
        ["0 0 4 none"],
        *([f"{node} 0 4 127.0.0.1"] for node in (1, 2, 3)),
    ]
    assert len(listed) == 4


def test_the_main_nodes_end_is_the_gangs_and_the_others_are_stopped(batch: Batch) -> None:
    script = "[ $AWS_BATCH_JOB_NODE_INDEX = 0 ] && { sleep 0.3; exit 5; }; sleep 100"
    job = batch.submit(gang(batch, [*SHELL, script]))

    told = batch.wait(job)

    assert (told["status"], told["statusReason"]) == ("FAILED", "Essential container in task exited")
    assert batch.job(f"{job}#0")["container"]["exitCode"] == 5
    assert batch.job(f"{job}#2")["container"]["exitCode"] == 143


def test_a_gang_needs_room_for_all_its_nodes_at_once(batch: Batch) -> None:
    queue = batch.new_queue(max_vcpus=3)
    job = batch.submit(gang(batch, ["true"]), nodeOverrides={"numNodes": 5}, jobQueue=queue)

    batch.wait_until(
        lambda: "COMPUTE_ENVIRONMENT_MAX_RESOURCE" in batch.job(job).get("statusReason", ""), "why"
    )

    assert batch.job(job)["status"] == "RUNNABLE"


@pytest.mark.parametrize(
    ("kind", "code", "status"),
    [
        (words.THROTTLED, "TooManyRequestsException", 429),
        (words.BROKEN, "ServerException", 500),
        (words.UNAVAILABLE, "ServiceUnavailableException", 503),
        (words.EXPIRED, "ExpiredTokenException", 403),
        (words.UNKNOWN_KEY, "UnrecognizedClientException", 403),
        (words.DENIED, "AccessDeniedException", 403),
    ],
)
def test_ordered_refusals_are_as_aws_spells_them(batch: Batch, kind: str, code: str, status: int) -> None:
    fault = batch.fault(kind, "^batch:DescribeJobs$")

    with pytest.raises(ClientError) as refused:
        batch.client().describe_jobs(jobs=["any"])

    assert refused.value.response["Error"]["Code"] == code
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert fault.fired == 1
    assert batch.client().describe_jobs(jobs=["any"])["jobs"] == []
    assert batch.calls()["batch:DescribeJobs"] == 2
    assert batch.refused_calls()["batch:DescribeJobs"] == 1


def test_a_denied_action_is_named(batch: Batch) -> None:
    batch.fault(words.DENIED, "^batch:SubmitJob$", None)
    definition = batch.register(["true"])

    with pytest.raises(ClientError, match="not authorized to perform: batch:SubmitJob"):
        batch.submit(definition)


def test_a_lost_answer_leaves_a_job_and_a_dropped_request_none(batch: Batch) -> None:
    definition = batch.register(["true"])
    lost = batch.fault(words.LOST_ANSWER, "^batch:SubmitJob$")
    dropped = batch.fault(words.DROPPED, "^batch:SubmitJob$")

    for name in ("lost", "dropped"):
        with pytest.raises(HTTPClientError):
            batch.submit(definition, name)

    filters = [{"name": "JOB_NAME", "values": ["*"]}]
    found = batch.client().list_jobs(jobQueue=batch.queue, filters=filters)["jobSummaryList"]
    assert [each["jobName"] for each in found] == ["lost"]
    assert (lost.fired, dropped.fired) == (1, 1)


def test_expired_credentials_are_told_by_all_services(batch: Batch) -> None:
    fault = batch.fault(words.EXPIRED, ".", None)

    for service, ask, code in (
        ("logs", lambda client: client.describe_log_groups(), "ExpiredTokenException"),
        ("s3", lambda client: client.list_buckets(), "ExpiredToken"),
    ):
        with pytest.raises(ClientError) as refused:
            ask(batch.client(service))
        assert refused.value.response["Error"]["Code"] == code

    assert fault.fired == 2
    batch.heal()
    assert batch.client("s3").list_buckets()["Buckets"]


def test_a_quota_lets_a_rate_pass(batch: Batch) -> None:
    fault = batch.fault(words.LIMITED, "^batch:DescribeJobs$", None, per_s=0.001, burst=3)
    told: list[str] = []

    for _ in range(5):
        try:
            batch.client().describe_jobs(jobs=["any"])
        except ClientError as error:
            told.append(error.response["Error"]["Code"])
        else:
            told.append("passed")

    assert told == ["passed"] * 3 + ["TooManyRequestsException"] * 2
    assert fault.fired == 2


async def test_the_asynchronous_client_sees_the_same(batch: Batch) -> None:
    from aiobotocore.session import get_session

    definition = batch.register([*SHELL, "echo hello; exit 3"])
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": "us-east-1"}
    session: Any = get_session()  # Any: clients are made from service descriptions
    async with session.create_client("batch", endpoint_url=batch.endpoint, **keys) as client:
        fault = batch.fault(words.THROTTLED, "^batch:SubmitJob$", 2)

        submitted = await client.submit_job(jobName="j", jobQueue=batch.queue, jobDefinition=definition)
        job = str(submitted["jobId"])
        batch.wait(job)
        told = (await client.describe_jobs(jobs=[job]))["jobs"][0]

    assert fault.fired == 2
    assert told["container"]["exitCode"] == 3


@pytest.mark.slow
def test_a_state_machine_runs_batch_jobs_and_waits_for_them(batch: Batch) -> None:
    states = batch.client("stepfunctions")
    definition = batch.register([*SHELL, 'exit "$((AWS_BATCH_JOB_ATTEMPT))"'])
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::batch:submitJob.sync",
        "Parameters": {"JobName": "from-states", "JobQueue": batch.queue, "JobDefinition": definition},
        "Catch": [{"ErrorEquals": ["States.TaskFailed"], "Next": "After"}],
        "End": True,
    }
    machine = {
        "StartAt": "Job",
        "States": {"Job": task, "After": {"Type": "Pass", "Result": {"caught": True}, "End": True}},
    }
    made = states.create_state_machine(
        name=batch.queue, definition=json.dumps(machine), roleArn=batch.job_role
    )
    started = states.start_execution(stateMachineArn=made["stateMachineArn"])

    def ended() -> dict[str, Any] | None:
        told = states.describe_execution(executionArn=started["executionArn"])
        return None if told["status"] == "RUNNING" else told

    told = batch.wait_until(ended, "the execution's end", 40)

    filters = [{"name": "JOB_NAME", "values": ["from-states"]}]
    jobs = batch.client().list_jobs(jobQueue=batch.queue, filters=filters)["jobSummaryList"]
    assert (told["status"], json.loads(told["output"])) == ("SUCCEEDED", {"caught": True})
    assert [each["container"]["exitCode"] for each in jobs] == [1]

"""Bad configuration is one clear message before a run starts, and `doctor` says what is missing and what to do."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from asyncflow.backends.batch.failures import (
    BatchAccessDenied,
    BatchCredentialsError,
    BatchQueueError,
    BatchSetupError,
    BatchUnreachable,
)
from asyncflow.backends.batch.provider import PROVIDER, BatchProvider
from asyncflow.backends.remote.platform import Size
from asyncflow.backends.remote.provider import Finding, PlatformContext, Provider
from asyncflow.errors import AsyncflowError, UserError
from asyncflow.records import replace
from tests.integration.batch.bench import PACE, context, opened, options
from tests.services.batch import words
from tests.services.batch.handle import Batch


async def refused(batch: Batch, **more: Any) -> AsyncflowError:
    with pytest.raises(AsyncflowError) as caught:
        async with opened(batch, **more):
            pass
    return caught.value


async def examined(given: PlatformContext) -> dict[str, Finding]:
    return {finding.what: finding for finding in await PROVIDER.examine(given)}


def test_the_provider_is_found_by_its_entry_point() -> None:
    from importlib.metadata import entry_points

    [found] = entry_points(group="asyncflow.backends", name="batch")
    provider: Provider = found.load()

    assert provider is PROVIDER
    assert (provider.name, provider.runtime_environment) == ("batch", "aws-batch")
    assert provider.decorator.__name__ == "Batch"


async def test_no_credentials(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")

    error = await refused(batch)

    assert isinstance(error, BatchCredentialsError)
    assert "there are no credentials" in error.message
    assert "AWS_PROFILE" in error.hint


async def test_no_region(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")

    error = await refused(batch)

    assert isinstance(error, BatchSetupError)
    assert "AWS_REGION" in error.hint


async def test_another_region_has_no_such_queue(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")

    error = await refused(batch)

    assert isinstance(error, BatchQueueError)
    assert f"no job queue '{batch.queue}' in eu-west-3" in error.message


async def test_a_profile_that_is_not_there(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")

    error = await refused(batch)

    assert isinstance(error, BatchCredentialsError)
    assert "nobody" in error.message


async def test_a_queue_that_is_not_there_or_is_disabled(batch: Batch) -> None:
    missing = await refused(batch, options=options(batch, queue="none-such"))
    batch.client().update_job_queue(jobQueue=batch.queue, state="DISABLED")
    disabled = await refused(batch)

    assert "There is no job queue 'none-such'" in missing.message
    assert "DISABLED" in disabled.message
    assert disabled.where == "flow.py:12"


async def test_no_permission(batch: Batch) -> None:
    denied = batch.fault(words.DENIED, "batch:DescribeJobQueues", None)

    error = await refused(batch)

    assert denied.fired == 1
    assert isinstance(error, BatchAccessDenied)
    assert "DescribeJobQueues" in error.message


async def test_keys_that_aws_does_not_take(batch: Batch) -> None:
    unknown = batch.fault(words.UNKNOWN_KEY, "batch:.*", None)

    error = await refused(batch)

    assert unknown.fired == 1
    assert isinstance(error, BatchCredentialsError)
    assert "mistyped" in error.hint


async def test_nobody_answers(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_BATCH"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(BatchUnreachable, match="did not answer"):
        async with BatchProvider(replace(PACE, tries=2)).open(context(batch)):
            pass


async def test_what_no_machine_has(batch: Batch) -> None:
    error = await refused(batch, size=Size(cpu=17))

    assert isinstance(error, UserError)
    assert "16 cores in all, and the step asks for 17" in error.message


async def test_fargate_without_what_it_needs(batch: Batch) -> None:
    error = await refused(batch, options=options(batch, queue=batch.new_queue(kind="FARGATE")))

    assert "@batch execution_role: Fargate needs one" in error.message


async def test_doctor_finds_everything_in_order(batch: Batch) -> None:
    role = _role(batch, "ecs-tasks.amazonaws.com")
    step = {"options": options(batch, iam_role=role)}

    found = await examined(replace(context(batch, run=None, **step), store_url=f"s3://{batch.bucket}/runs"))

    assert [finding for finding in found.values() if not finding.is_ok] == []
    assert found["region"].told == "us-east-1"
    assert "of account 123456789012" in found["credentials"].told
    assert "EC2" in found[f"queue {batch.queue}"].told
    assert "up to 16 cores" in found[f"machines {batch.compute_environment}"].told
    assert found[f"permission to submit jobs to {batch.queue}"].told == "given"
    assert "can be read" in found["store"].told
    assert batch.calls().get("batch:RegisterJobDefinition") == 1
    assert batch.client().describe_job_definitions(jobDefinitionName="asyncflow none")["jobDefinitions"] == []


async def test_doctor_says_what_is_missing(batch: Batch) -> None:
    denials = [
        batch.fault(words.DENIED, f"batch:{action}", None)
        for action in ("SubmitJob", "TerminateJob", "RegisterJobDefinition")
    ]
    gone = f"arn:aws:iam::123456789012:role/none-{uuid.uuid4().hex[:6]}"
    step = {
        "options": options(
            batch,
            iam_role=gone,
            execution_role=_role(batch, "ec2.amazonaws.com"),
            image="123456789012.dkr.ecr.us-east-1.amazonaws.com/none/such:1",
        ),
        "size": Size(cpu=99),
    }

    found = await examined(
        replace(context(batch, run=None, **step), store_url="s3://no-such-bucket-here/runs")
    )

    assert [denial.fired for denial in denials] == [1, 1, 1]
    bad = {what: finding for what, finding in found.items() if not finding.is_ok}
    assert bad["permission to end jobs"].hint.startswith("Allow batch:TerminateJob")
    assert f"permission to submit jobs to {batch.queue}" in bad
    assert "permission to register job definitions" in bad
    assert "NoSuchEntity" in bad[f"iam_role {gone}"].told
    assert any("may not assume it" in finding.told for finding in bad.values())
    assert any("RepositoryNotFoundException" in finding.told for finding in bad.values())
    assert "no bucket" in bad["store"].told
    assert "99" in bad["step work"].told
    assert all(finding.hint for finding in bad.values())


async def test_doctor_stops_at_credentials_that_are_none(batch: Batch) -> None:
    unknown = batch.fault(words.UNKNOWN_KEY, "sts:.*", None)

    found = await examined(context(batch, run=None))

    assert unknown.fired >= 1
    assert list(found) == ["region", "credentials"]
    assert not found["credentials"].is_ok


async def test_doctor_needs_a_queue_to_say_more(batch: Batch) -> None:
    found = await examined(PlatformContext(owner="0a1b2c3d", store_url="file:///tmp/store"))

    assert "no job queue" in found["step (any)"].told
    assert "jobs cannot reach" in found["store"].told


def _role(batch: Batch, service: str) -> str:
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}],
    }
    made = batch.client("iam").create_role(
        RoleName=f"role-{uuid.uuid4().hex[:8]}", AssumeRolePolicyDocument=json.dumps(policy)
    )
    return str(made["Role"]["Arn"])

"""What a step asks for: `@batch`, @resources, the command line, the environment; and what is refused, in words."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from asyncflow.backends.batch.failures import BatchOptionError, BatchQueueError
from asyncflow.backends.batch.fargate import size_complaint
from asyncflow.backends.batch.instances import read_types
from asyncflow.backends.batch.options import Settings
from asyncflow.backends.batch.provider import PROVIDER
from asyncflow.backends.batch.queues import Queue, read_queue
from asyncflow.backends.batch.requirements import check_queue, check_step
from asyncflow.backends.remote.platform import Size
from asyncflow.backends.remote.provider import StepRequest
from asyncflow.errors import UserError
from asyncflow.flow.decorators.base import make
from asyncflow.flow.decorators.compute import Batch
from asyncflow.flow.errors import DecoratorAttributeError
from tests.unit.backends.batch.asked import SETTINGS, options

ROLE = "arn:aws:iam::123456789012:role/exec"


def step(
    size: Size | None = None, *, timeout_s: float | None = None, gang: bool = False, **given: Any
) -> StepRequest:
    return StepRequest(
        step="work",
        options=make(Batch, given).attributes(),
        size=size or Size(),
        timeout_s=timeout_s,
        gang=gang,
        where="flow.py:12",
    )


def queue(kind: str = "EC2", most: int | None = 64, **more: Any) -> Queue:
    environment = {
        "computeEnvironmentName": "ce",
        "computeResources": {"type": kind, "maxvCpus": most},
        "state": "ENABLED",
        "status": "VALID",
        **more,
    }
    return read_queue({"jobQueueName": "jobs", "state": "ENABLED", "status": "VALID"}, [environment])


def test_defaults_are_metaflows() -> None:
    plain = options(settings=Settings.read({}, {"BATCH_JOB_QUEUE": "q"}.get))

    assert (plain.cpu, plain.memory_mb, plain.gpu, plain.queue) == (1, 4096, 0, "q")
    assert plain.image == f"python:{sys.version_info.major}.{sys.version_info.minor}"


def test_the_decorator_goes_before_the_command_line_and_that_before_the_environment() -> None:
    found = Settings.read({"queue": "told"}, {"BATCH_JOB_QUEUE": "set", "ECS_S3_ACCESS_IAM_ROLE": "role"}.get)

    assert options(settings=found).queue == "told"
    assert options(settings=found, queue="mine").queue == "mine"
    assert options(settings=found).iam_role == "role"


@pytest.mark.parametrize(
    ("image", "becomes"),
    [
        ("team/image:1", "registry.example.org/team/image:1"),
        ("python:3.12", "registry.example.org/python:3.12"),
        ("other.example.org/image", "other.example.org/image"),
        ("localhost/image", "localhost/image"),
        ("host:5000/image", "host:5000/image"),
    ],
)
def test_a_registry_is_put_before_images_that_name_none(image: str, becomes: str) -> None:
    found = Settings.read(
        {}, {"BATCH_JOB_QUEUE": "q", "BATCH_CONTAINER_REGISTRY": "registry.example.org/"}.get
    )

    assert options(settings=found, image=image).image == becomes


def test_default_tags_are_taken_and_the_steps_own_go_before() -> None:
    found = Settings.read({}, {"BATCH_JOB_QUEUE": "q", "BATCH_DEFAULT_TAGS": '{"a": 1, "b": "2"}'}.get)

    assert dict(options(settings=found, aws_batch_tags={"b": "3"}).tags) == {"a": "1", "b": "3"}


@pytest.mark.parametrize(
    "settings",
    [{"BATCH_DEFAULT_TAGS": "no"}, {"BATCH_DEFAULT_TAGS": "[1]"}, {"DEFAULT_RUNTIME_LIMIT": "soon"}],
)
def test_settings_that_cannot_be_read_are_refused(settings: dict[str, str]) -> None:
    with pytest.raises(BatchOptionError):
        Settings.read({}, settings.get)


@pytest.mark.parametrize(
    ("given", "option"),
    [
        ({"cpu": 0}, "cpu"),
        ({"memory": "much"}, "memory"),
        ({"gpu": -1}, "gpu"),
        ({"queue": ""}, "queue"),
        ({"image": 5}, "image"),
        ({"efa": 0}, "efa"),
        ({"inferentia": 1.5}, "inferentia"),
        ({"inferentia": 1, "trainium": 1}, "trainium"),
        ({"max_swap": -1}, "max_swap"),
        ({"swappiness": 101}, "swappiness"),
        ({"swappiness": "often"}, "swappiness"),
        ({"ephemeral_storage": 20}, "ephemeral_storage"),
        ({"ephemeral_storage": 201}, "ephemeral_storage"),
        ({"host_volumes": "data"}, "host_volumes"),
        ({"host_volumes": {"a": "b"}}, "host_volumes"),
        ({"efs_volumes": ["efs"]}, "efs_volumes"),
        ({"aws_batch_tags": "team"}, "aws_batch_tags"),
        ({"aws_batch_tags": {"aws:mine": "x"}}, "aws_batch_tags"),
        ({"aws_batch_tags": {"a": "x" * 257}}, "aws_batch_tags"),
        ({"aws_batch_tags": {str(at): "" for at in range(41)}}, "aws_batch_tags"),
        ({"log_driver": "paper"}, "log_driver"),
        ({"log_options": ["group"]}, "log_options"),
        ({"privileged": "perhaps"}, "privileged"),
        ({"tmpfs_path": "scratch"}, "tmpfs_path"),
        ({"tmpfs_size": 0}, "tmpfs_size"),
    ],
)
def test_an_attribute_that_cannot_be_is_refused_by_name(given: dict[str, Any], option: str) -> None:
    with pytest.raises(DecoratorAttributeError, match=f"@batch has {option}="):
        make(Batch, given)


def test_values_are_read_as_the_command_line_gives_them() -> None:
    decorator = make(
        Batch,
        {
            "host_volumes": "/a, /b:/c",
            "aws_batch_tags": "team=blue,stage=x=y",
            "log_options": "awslogs-group:a:b",
            "privileged": "true",
            "cpu": "0.5",
        },
    )

    assert decorator.attributes() | {"given": ()} == decorator.attributes() | {
        "given": (),
        "host_volumes": ("/a", "/b:/c"),
        "aws_batch_tags": {"team": "blue", "stage": "x=y"},
        "log_options": {"awslogs-group": "a:b"},
        "privileged": True,
        "cpu": 0.5,
    }


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"image": "Not An Image"}, "@batch image: 'Not An Image' is not an image"),
        ({"timeout_s": 30}, "@timeout is 30 s"),
        ({"size": Size(memory_mb=2)}, "@batch memory"),
        ({"ephemeral_storage": 50}, "@batch execution_role"),
        ({"ephemeral_storage": 50, "execution_role": ROLE, "privileged": True}, "@batch privileged"),
        (
            {"ephemeral_storage": 50, "execution_role": ROLE, "size": Size(cpu=1, memory_mb=1000)},
            "the nearest is 2048",
        ),
    ],
)
def test_a_step_that_asks_wrongly_is_refused_before_the_run(given: dict[str, Any], said: str) -> None:
    with pytest.raises(BatchOptionError) as caught:
        PROVIDER.check([step(**given)], {"queue": "jobs"})

    assert "Step work" in caught.value.message
    assert said in caught.value.message
    assert caught.value.where == "flow.py:12"


def test_a_step_without_a_queue_is_told_how_to_name_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ASYNCFLOW_BATCH_JOB_QUEUE", raising=False)
    monkeypatch.delenv("METAFLOW_BATCH_JOB_QUEUE", raising=False)

    with pytest.raises(UserError, match="there is no job queue") as caught:
        PROVIDER.check([step()], {})

    assert "ASYNCFLOW_BATCH_JOB_QUEUE" in caught.value.hint


@pytest.mark.parametrize(
    ("given", "at", "said"),
    [
        ({"execution_role": ROLE}, queue("FARGATE"), None),
        ({"execution_role": ROLE, "gang": True}, queue("FARGATE"), "has no multi-node jobs"),
        ({}, queue("FARGATE_SPOT"), "@batch execution_role"),
        (
            {"execution_role": ROLE, "size": Size(gpu=1)},
            queue("FARGATE"),
            "@batch gpu: Fargate cannot do that",
        ),
        (
            {"execution_role": ROLE, "size": Size(cpu=3)},
            queue("FARGATE"),
            "@batch cpu: Fargate has no jobs of 3 cores",
        ),
        ({"ephemeral_storage": 30, "execution_role": ROLE}, queue("EC2"), "it is for Fargate"),
        ({"size": Size(cpu=65)}, queue("EC2"), "machines of 64 cores in all"),
        ({"size": Size(cpu=65)}, queue("", None), None),
        ({}, queue(state="DISABLED"), "runs no jobs: ce: it is DISABLED"),
        ({}, queue(status="INVALID", statusReason="no subnet"), "ce: it is INVALID: no subnet"),
        ({}, queue(containerOrchestrationType="EKS"), "runs its jobs on EKS"),
    ],
)
def test_what_a_queues_machines_cannot_do_is_refused(
    given: dict[str, Any], at: Queue, said: str | None
) -> None:
    asked = step(**given)
    wanted = check_step(asked, SETTINGS)
    if said is None:
        check_queue(asked, wanted, at)
        return
    with pytest.raises((BatchOptionError, BatchQueueError)) as caught:
        check_queue(asked, wanted, at)

    assert said in caught.value.message
    assert caught.value.where == "flow.py:12"


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (Size(cpu=4, memory_mb=16_000), None),
        (Size(cpu=2, memory_mb=60_000, gpu=1), None),
        (Size(cpu=5), "@batch cpu: no machine of queue jobs has 5 cores; the largest has 4"),
        (
            Size(memory_mb=61_001),
            "@batch memory: no machine of queue jobs has 61001 MB; the largest has 61000",
        ),
        (Size(gpu=2), "@batch gpu: no machine of queue jobs has 2 GPUs; the largest has 1"),
        (
            Size(cpu=4, memory_mb=16_000, gpu=1),
            "@batch memory: no machine of queue jobs has 4 cores with 16000 MB and 1 GPUs at once",
        ),
    ],
)
def test_a_job_has_to_fit_one_machine(size: Size, said: str | None) -> None:
    types = read_types(
        [
            {
                "InstanceType": "a.large",
                "VCpuInfo": {"DefaultVCpus": 4},
                "MemoryInfo": {"SizeInMiB": 16_000},
            },
            {
                "InstanceType": "g.small",
                "VCpuInfo": {"DefaultVCpus": 2},
                "MemoryInfo": {"SizeInMiB": 61_000},
                "GpuInfo": {"Gpus": [{"Count": 1}]},
            },
        ]
    )
    asked = step(size=size)
    wanted = check_step(asked, SETTINGS)
    if said is None:
        check_queue(asked, wanted, queue(), types)
        return
    with pytest.raises(BatchOptionError) as caught:
        check_queue(asked, wanted, queue(), types)

    assert said in caught.value.message


def test_a_queue_runs_jobs_as_long_as_some_of_its_machines_do() -> None:
    machines = [
        {"computeEnvironmentName": name, "state": state, "status": "VALID"}
        for name, state in (("a", "DISABLED"), ("b", "ENABLED"))
    ]

    assert read_queue({"jobQueueName": "q", "state": "ENABLED"}, machines).why_waiting == ""
    assert (
        read_queue({"jobQueueName": "q", "state": "ENABLED"}, machines[:1]).why_waiting == "a: it is DISABLED"
    )
    assert read_queue({"jobQueueName": "q", "state": "DISABLED"}, machines).why_waiting == "it is DISABLED"


@pytest.mark.parametrize(
    ("cpu", "memory", "is_known"),
    [
        (0.25, 512, True),
        (0.25, 4096, False),
        (1, 4096, True),
        (4, 30720, True),
        (8, 17408, False),
        (16, 122880, True),
    ],
)
def test_fargates_sizes_are_known(cpu: float, memory: int, is_known: bool) -> None:
    assert (size_complaint(cpu, memory) == "") is is_known

"""What a step asks for, with the settings that stand for what it leaves out, and what is refused before a run."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import pytest

from asyncflow.backends.kubernetes.checks import check_steps, namespace_of
from asyncflow.backends.kubernetes.errors import BadOption, BadTemplate
from asyncflow.backends.kubernetes.options import Defaults, resolve
from asyncflow.backends.remote.platform import Size
from asyncflow.backends.remote.provider import StepRequest
from tests.unit.backends.kubernetes.jobs import options

SIZE = Size(cpu=1.0, memory_mb=1000.0, disk_mb=100.0)


def defaults(**settings: str) -> Defaults:
    return Defaults.from_settings(settings.get)


def resolved(
    settings: Defaults | None = None, size: Size = SIZE, timeout_s: float | None = None, **given: Any
) -> Any:
    return resolve(options(**given), size, timeout_s, defaults=settings or Defaults(), namespace="flows")


def test_the_image_is_the_steps_then_the_settings_then_this_python() -> None:
    assert resolved().image == f"python:{sys.version_info[0]}.{sys.version_info[1]}"
    settings = defaults(KUBERNETES_CONTAINER_IMAGE="team/train:1")
    assert resolved(settings).image == "team/train:1"
    assert resolved(settings, image="other").image == "other"
    assert resolved(defaults(DEFAULT_CONTAINER_IMAGE="base:2")).image == "base:2"


@pytest.mark.parametrize(
    ("image", "sent"),
    [
        ("train:1", "registry.example/train:1"),
        ("team/train:1", "registry.example/team/train:1"),
        ("ghcr.io/team/train", "ghcr.io/team/train"),
        ("localhost/train", "localhost/train"),
        ("host:5000/train", "host:5000/train"),
    ],
)
def test_the_registry_stands_before_images_that_name_none(image: str, sent: str) -> None:
    assert resolved(defaults(KUBERNETES_CONTAINER_REGISTRY="registry.example/"), image=image).image == sent


def test_settings_stand_for_what_a_step_leaves_out() -> None:
    settings = defaults(
        KUBERNETES_SERVICE_ACCOUNT="runner",
        KUBERNETES_NODE_SELECTOR="disk=ssd",
        KUBERNETES_TOLERATIONS='[{"key": "gpu", "operator": "Exists"}]',
        KUBERNETES_SECRETS="common",
        KUBERNETES_LABELS='{"team": "vision"}',
        KUBERNETES_PERSISTENT_VOLUME_CLAIMS="data=/data",
        KUBERNETES_SHARED_MEMORY="64",
        KUBERNETES_IMAGE_PULL_POLICY="always",
    )
    plain = resolved(settings)
    assert (plain.service_account, plain.node_selector) == ("runner", {"disk": "ssd"})
    assert plain.tolerations == ({"key": "gpu", "operator": "Exists"},)
    assert (plain.claims, plain.shared_memory_mb, plain.image_pull_policy) == (
        {"data": "/data"},
        64,
        "Always",
    )
    own = resolved(settings, service_account="own", node_selector="a=b", secrets=["mine"], labels={"x": "y"})
    assert (own.service_account, own.node_selector) == ("own", {"a": "b"})
    assert (own.secrets, own.labels) == (("common", "mine"), {"team": "vision", "x": "y"})


def test_sizes_come_from_the_job_and_else_from_the_decorator() -> None:
    job = resolved(size=Size(cpu=0.5, memory_mb=None, gpu=2.0), memory=2048)
    assert (job.cpu, job.memory_mb, job.disk_mb) == (0.5, 2048.0, 10240.0)
    assert job.gpus == {"nvidia.com/gpu": "2"}
    assert resolved(defaults(KUBERNETES_GPU_VENDOR="amd"), gpu=1).gpus == {"amd.com/gpu": "1"}


@pytest.mark.parametrize(
    ("given", "tmpfs_mb"),
    [
        ({}, None),
        ({"use_tmpfs": True}, 500),
        ({"use_tmpfs": True, "tmpfs_size": 20}, 20),
        ({"tmpfs_size": 20}, 20),
    ],
)
def test_a_tmpfs_has_half_of_the_memory_unless_it_says_more(
    given: Mapping[str, Any], tmpfs_mb: int | None
) -> None:
    assert resolved(**given).tmpfs_mb == tmpfs_mb


def test_a_pods_deadline_leaves_the_worker_its_start_and_its_grace() -> None:
    assert resolved(timeout_s=3600.0).deadline_s == 3600 + 60 + 30
    assert resolved().deadline_s == 5 * 86400 + 60 + 30
    assert resolved(defaults(DEFAULT_RUNTIME_LIMIT="100", KUBERNETES_GRACE_SECONDS="10")).deadline_s == 170


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SERVICE_ACCOUNT", "Not Legal"),
        ("NODE_SELECTOR", "a"),
        ("NODE_SELECTOR", "a=not legal"),
        ("TOLERATIONS", "{"),
        ("TOLERATIONS", '[{"key": "a", "effect": "Never"}]'),
        ("TOLERATIONS", '[{"operator": "Equal"}]'),
        ("SECRETS", "A,B"),
        ("GPU_VENDOR", "intel"),
        ("QOS", "best"),
        ("PORT", "http"),
        ("NAMESPACE", "Prod"),
        ("IMAGE_PULL_POLICY", "Sometimes"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_its_name(name: str, value: str) -> None:
    with pytest.raises(BadOption) as refused:
        defaults(**{f"KUBERNETES_{name}": value})
    assert f"KUBERNETES_{name}" in refused.value.message
    assert f"METAFLOW_KUBERNETES_{name}" in refused.value.hint


def test_the_namespace_comes_from_the_nearest() -> None:
    settings = defaults(KUBERNETES_NAMESPACE="from-settings")
    assert namespace_of({"namespace": "said"}, settings, "context") == "said"
    assert namespace_of({}, settings, "context") == "from-settings"
    assert namespace_of({}, Defaults(), "context") == "context"
    assert namespace_of({}, Defaults(), None) == "default"
    assert resolved(namespace="own").namespace == "own"


def step(**more: Any) -> StepRequest:
    given = {
        "step": "train",
        "options": options(**more.pop("options", {})),
        "size": SIZE,
        "where": "flow.py:12",
        **more,
    }
    return StepRequest(**given)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (step(timeout_s=59.0), "at least 60 s"),
        (step(options={"use_tmpfs": True, "tmpfs_size": 2000}), "tmpfs_size"),
        (step(options={"shared_memory": 2000}), "shared_memory"),
        (step(options={"persistent_volume_claims": {"a": "/x", "b": "/x"}}), "two volumes"),
        (
            step(options={"persistent_volume_claims": {"a": "/metaflow_temp"}, "use_tmpfs": True}),
            "two volumes",
        ),
        (step(options={"persistent_volume_claims": {"a": "/"}}), "below /"),
        (step(size=Size(cpu=0.0)), "cpu"),
    ],
)
def test_a_step_that_cannot_be_asked_for_is_refused_with_its_place(request_: StepRequest, words: str) -> None:
    with pytest.raises(BadOption) as refused:
        check_steps([request_], {}, Defaults())
    assert words in refused.value.message
    assert "train" in refused.value.message
    assert refused.value.where == "flow.py:12"


def test_what_is_said_on_the_command_line_is_checked() -> None:
    check_steps([step()], {"namespace": "team", "k8s_template": "spec: {priorityClassName: x}"}, Defaults())
    with pytest.raises(BadOption, match="namespace"):
        check_steps([], {"namespace": "Team A"}, Defaults())
    with pytest.raises(BadTemplate):
        check_steps([], {"k8s_template": "kind: Service"}, Defaults())

"""What is sent for an attempt: kept as files that people read, valid for the newest versions of Kubernetes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from asyncflow.backends.kubernetes.gang import gang_job, gang_service, is_whole, member_pod, with_gang
from asyncflow.backends.kubernetes.manifest import cores, plain, pod_of, pod_shape, quantity
from asyncflow.backends.kubernetes.options import Defaults
from asyncflow.backends.kubernetes.template import parse_template
from asyncflow.backends.remote.platform import Gang, Size
from asyncflow.records import replace
from tests.unit.backends.kubernetes.jobs import gang, job, resolved

GOLDEN = Path(__file__).resolve().parents[3] / "golden" / "manifests"
VERSIONS = ("1.35", "1.36", "1.37")
"""The three newest that there are schemas of."""

EVERYTHING = {
    "image": "registry.example:5000/team/train:2.1",
    "image_pull_policy": "Always",
    "image_pull_secrets": ["registry"],
    "service_account": "trainer",
    "secrets": "keys,more-keys",
    "node_selector": "disk=ssd,zone=a",
    "namespace": "research",
    "gpu": 2,
    "gpu_vendor": "amd",
    "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
    "labels": {"team": "vision"},
    "annotations": {"example.com/budget": "large, and more"},
    "persistent_volume_claims": {"data": "/data", "models": "/models"},
    "use_tmpfs": True,
    "tmpfs_size": 500,
    "tmpfs_path": "/fast",
    "shared_memory": 1024,
    "port": 8080,
    "compute_pool": "big",
    "qos": "Guaranteed",
    "extended_resources": {"example.com/fpga": 1},
    "security_context": {"runAsUser": 1000, "allowPrivilegeEscalation": False},
    "executable": "/opt/python/bin/python",
}

TEMPLATE = """
apiVersion: v1
kind: Pod
metadata:
  annotations: {sidecar.example/inject: "false"}
spec:
  priorityClassName: batch
  tolerations: [{key: night, operator: Exists}]
  containers:
    - name: main
      env: [{name: EXTRA, value: "1"}, {name: METAFLOW_USER, value: somebody}]
      volumeMounts: [{name: certificates, mountPath: /etc/certificates}]
      lifecycle: {preStop: {exec: {command: [sleep, "5"]}}}
    - name: proxy
      image: proxy:1
  volumes: [{name: certificates, configMap: {name: certificates}}]
"""


def pod(one: Any, defaults: Defaults | None = None, template: str = "") -> dict[str, Any]:
    options = resolved(one, defaults)
    return pod_of(one, pod_shape(one, options, parse_template(template) if template else None))


def gang_parts() -> dict[str, Any]:
    members = gang()
    options = resolved(members[0])
    leader = members[0].gang
    assert leader is not None
    shape = with_gang(pod_shape(members[0], options), members[0], leader, options)
    alone = replace(
        members[2], attempt=members[2].attempt._replace(number=1), name="trainingflow-7-22-1-0badcafe"
    )
    made = gang_job(members, shape, options)
    return {
        "gang-job": made,
        "gang-service": gang_service(members, leader, options),
        "gang-member-alone": member_pod(alone, shape),
    }


CASES = {
    "plain": lambda: pod(job()),
    "everything": lambda: pod(job(options=EVERYTHING)),
    "timeout": lambda: pod(job(timeout_s=3600.0)),
    "small": lambda: pod(job(size=Size(cpu=0.25, memory_mb=64.0, gpu=1.0))),
    "odd-names": lambda: pod(job(flow="Größe_", step="_train_", user="ada@example.com")),
    "settings": lambda: pod(
        job(),
        Defaults(
            image="team/train:1",
            registry="registry.example",
            service_account="runner",
            secrets=("common",),
            tolerations=({"operator": "Exists"},),
            labels={"team": "vision"},
            ttl_s=3600,
            grace_s=120,
            qos="guaranteed",
        ),
    ),
    "template": lambda: pod(job(), template=TEMPLATE),
    "gang-job": lambda: gang_parts()["gang-job"],
    "gang-service": lambda: gang_parts()["gang-service"],
    "gang-member-alone": lambda: gang_parts()["gang-member-alone"],
}


@pytest.mark.parametrize("name", CASES)
def test_a_manifest_is_the_one_that_was_looked_at(name: str) -> None:
    """`UPDATE_GOLDEN=1` writes them anew: read them then."""
    text = json.dumps(CASES[name](), indent=2, ensure_ascii=False) + "\n"
    path = GOLDEN / f"{name}.json"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)
    assert path.read_text() == text


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", CASES)
def test_a_manifest_is_valid_for_the_newest_versions(name: str, version: str) -> None:
    kubernetes_validate.validate(CASES[name](), version, strict=True)


def test_there_is_a_golden_manifest_for_each_case_and_no_other() -> None:
    assert sorted(path.stem for path in GOLDEN.glob("*.json")) == sorted(CASES)


def test_jobs_of_one_shape_share_it_and_change_nothing_in_it() -> None:
    one, other = job(1), job(2, index=4)
    shape = pod_shape(one, resolved(one))
    before = json.dumps(shape)
    first, second = pod_of(one, shape), pod_of(other, shape)
    assert json.dumps(shape) == before
    assert first["metadata"]["labels"]["asyncflow/task"] == "1"
    assert second["metadata"]["labels"]["asyncflow/task"] == "2"
    assert second["spec"]["containers"][0]["env"][-1] == {"name": "ASYNCFLOW_SPEC_INDEX", "value": "4"}


def test_no_label_of_the_user_takes_the_place_of_ours() -> None:
    made = pod(job(options={"labels": {"asyncflow/run": "1", "team": "x"}}))
    assert made["metadata"]["labels"]["asyncflow/run"] == "7"
    assert made["metadata"]["labels"]["team"] == "x"


def test_a_gang_is_one_job_only_when_it_is_whole_and_new() -> None:
    members = gang()
    assert is_whole(members)
    assert not is_whole(members[:2])
    assert not is_whole([members[0], members[2], members[1]])
    again = [replace(one, attempt=one.attempt._replace(number=1)) for one in members]
    assert not is_whole(again)
    assert not is_whole([job()])
    scattered = [replace(one, index=one.index * 2) for one in members]
    assert not is_whole(scattered)
    assert not is_whole([replace(members[0], gang=Gang(19, 1, 1))])


@pytest.mark.parametrize(
    ("megabytes", "text"), [(4096.0, "4096M"), (0.5, "500k"), (1.0, "1M"), (0.0001, "1k")]
)
def test_amounts_of_memory_are_written_as_kubernetes_does(megabytes: float, text: str) -> None:
    assert quantity(megabytes) == text


@pytest.mark.parametrize(("cpu", "text"), [(1.0, "1"), (0.5, "500m"), (2.75, "2750m"), (0.0001, "1m")])
def test_amounts_of_cores_are_written_as_kubernetes_does(cpu: float, text: str) -> None:
    assert cores(cpu) == text


@pytest.mark.parametrize(
    ("text", "sent"),
    [("plain", "plain"), ("$HOME", "$HOME"), ("$(HOME)", "$$(HOME)"), ("$$", "$$$$"), ("cost $5", "cost $5")],
)
def test_a_dollar_arrives_as_it_is(text: str, sent: str) -> None:
    assert plain(text) == sent

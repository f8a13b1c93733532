"""`@kubernetes`: what it takes, how it keeps it, what it refuses and where it may not stand."""

from __future__ import annotations

from typing import Any

import pytest

from asyncflow import FlowSpec, batch, catch, kubernetes, parallel, step
from asyncflow.flow.decorators.compute import Kubernetes
from asyncflow.flow.errors import DecoratorAttributeError, LintError
from asyncflow.flow.lint import check
from asyncflow.flow.parse import parse_flow


def test_texts_are_kept_as_mappings_and_lists() -> None:
    made = Kubernetes(
        labels="a=b, c=d",
        node_selector='{"disk": "ssd", "fast": true}',
        secrets="one,two",
        image_pull_secrets='["three"]',
        tolerations='{"key": "gpu", "operator": "Exists"}',
        persistent_volume_claims="data=/data",
        extended_resources={"example.com/fpga": 2},
    )
    assert made.labels == {"a": "b", "c": "d"}
    assert made.node_selector == {"disk": "ssd", "fast": "true"}
    assert (made.secrets, made.image_pull_secrets) == (["one", "two"], ["three"])
    assert made.tolerations == [{"key": "gpu", "operator": "Exists"}]
    assert made.persistent_volume_claims == {"data": "/data"}
    assert made.extended_resources == {"example.com/fpga": "2"}


def test_sizes_come_from_the_settings_where_none_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (Kubernetes().cpu, Kubernetes().memory, Kubernetes().disk) == (1.0, 4096.0, 10240.0)
    monkeypatch.setenv("METAFLOW_KUBERNETES_CPU", "2")
    monkeypatch.setenv("METAFLOW_KUBERNETES_MEMORY", "512")
    monkeypatch.setenv("ASYNCFLOW_KUBERNETES_MEMORY", "1024")
    monkeypatch.setenv("METAFLOW_KUBERNETES_QOS", "guaranteed")
    made = Kubernetes(disk=100)
    assert (made.cpu, made.memory, made.disk, made.qos) == (2.0, 1024.0, 100, "guaranteed")


@pytest.mark.parametrize(
    "given",
    [
        {"cpu": 0},
        {"cpu": "much"},
        {"memory": -1},
        {"memory": True},
        {"disk": float("inf")},
        {"gpu": 0.5},
        {"gpu_vendor": "intel"},
        {"shared_memory": 0},
        {"tmpfs_size": 0},
        {"tmpfs_path": "relative"},
        {"image": "Has Spaces"},
        {"image": ":tag"},
        {"image_pull_policy": "Sometimes"},
        {"image_pull_secrets": ["Not_Legal"]},
        {"service_account": "Not Legal"},
        {"secrets": {"a": "b"}},
        {"secrets": "A"},
        {"node_selector": "a"},
        {"node_selector": {"a": "not legal"}},
        {"namespace": "Prod"},
        {"namespace": "x" * 64},
        {"tolerations": "{"},
        {"tolerations": [{"key": "a", "when": "now"}]},
        {"tolerations": [{"key": "a", "operator": "Is"}]},
        {"tolerations": [{"operator": "Exists", "value": "x"}]},
        {"tolerations": [{"key": "a", "tolerationSeconds": "10"}]},
        {"tolerations": ["a"]},
        {"labels": {"a": "x" * 64}},
        {"labels": {"a/b/c": "x"}},
        {"labels": "a"},
        {"annotations": {"not legal": "x"}},
        {"persistent_volume_claims": {"data": "relative"}},
        {"persistent_volume_claims": ["data"]},
        {"port": 0},
        {"port": "80"},
        {"compute_pool": "not legal"},
        {"hostname_resolution_timeout": 0},
        {"qos": "best"},
        {"extended_resources": {"fpga": 1}},
        {"security_context": "privileged"},
    ],
)
def test_what_cannot_be_is_refused_by_its_name(given: dict[str, Any]) -> None:
    (name,) = given
    with pytest.raises(DecoratorAttributeError, match=name):
        Kubernetes(**given)


@pytest.mark.parametrize(
    "image",
    [
        "python",
        "python:3.11-slim",
        "ghcr.io/team/train:v1.2",
        "localhost:5000/x",
        "registry.example/a/b/c@sha256:" + "0" * 64,
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team__x/train:latest",
    ],
)
def test_names_of_images_are_taken(image: str) -> None:
    assert Kubernetes(image=image).image == image


class TwoPlaces(FlowSpec):
    @batch
    @kubernetes
    @step
    def start(self) -> None:
        self.next(self.end)

    @step
    def end(self) -> None: ...


class CaughtGang(FlowSpec):
    @step
    def start(self) -> None:
        self.next(self.train, num_parallel=2)

    @catch
    @parallel
    @kubernetes
    @step
    def train(self) -> None:
        self.next(self.join)

    @step
    def join(self, inputs: Any) -> None:
        self.next(self.end)

    @step
    def end(self) -> None: ...


@pytest.mark.parametrize(("flow", "words"), [(TwoPlaces, "@batch"), (CaughtGang, "@catch and @parallel")])
def test_what_does_not_go_together_is_refused(flow: type[FlowSpec], words: str) -> None:
    with pytest.raises(LintError, match=words):
        check(parse_flow(flow))
